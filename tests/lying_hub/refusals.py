"""What a hub refuses, signed: honestly, and not."""

from __future__ import annotations

from hashlib import sha256

from creditchain.client.evidence import REFUSAL_HEADER
from creditchain.events import b64u, format_time
from creditchain.events.membership import MemberWithdrawn
from creditchain.rulebook import Refusal
from creditchain.seal import Sealed
from creditchain.tlog.note import Signer, sign_note
from tests.lying_hub.honest import ORIGIN, Consortium, seed_bytes


def refusal_key(consortium: Consortium) -> Signer:
    """The key that the consortium's founding names for refusals."""
    return Signer(f"{ORIGIN}/refusal", seed_bytes(consortium.seed, "refusal"))


def refuse(
    consortium: Consortium,
    body: bytes | Sealed,
    code: Refusal,
    *,
    size: int | None = None,
    at: int | None = None,
    path: str = "-",
) -> bytes:
    """The signed refusal of a body, whether or not it is deserved; now, unless said otherwise."""
    raw = body.body if isinstance(body, Sealed) else body
    size = consortium.log.size if size is None else size
    at = consortium.at if at is None else at
    text = (
        f"{REFUSAL_HEADER}\n{ORIGIN}\n{size}\n{b64u(sha256(raw).digest())}\n"
        f"{format_time(at)}\n{code.value}\n{path}\n"
    )
    return sign_note(text, [refusal_key(consortium)]).encode()


def refuse_unfairly(consortium: Consortium) -> tuple[bytes, bytes]:
    """The body of a lawful event, and its refusal."""
    event = consortium.sealed(consortium.bank, MemberWithdrawn("bank-hana"))
    return event.body, refuse(consortium, event, Refusal.MEMBER_SUSPENDED)
