"""A hub that a test scripts: a real log with real signatures behind answers the test may spoil.

What a hub does by itself is tested against the real one; here stand the answers it should never
give, and the ones it gives too late.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

import httpx2
import jwt

from creditchain.client.client import Client
from creditchain.client.evidence import Trust
from creditchain.client.keys import PrivateKey, generate_key
from creditchain.client.signer import Signer as ActorSigner
from creditchain.documents import load_operation
from creditchain.events import b64u, format_time, parse_event_object
from creditchain.seal import Entry, Sealed, format_entry, seal_of
from creditchain.tlog.checkpoint import Checkpoint, sign_checkpoint
from creditchain.tlog.cosignature import CosignatureSigner, format_cosigner_vkey
from creditchain.tlog.edge import Edge, EdgeReader
from creditchain.tlog.merkle import leaf_hash
from creditchain.tlog.note import Signer, format_vkey, sign_note
from creditchain.tlog.policy import parse_policy
from creditchain.tlog.proof import prove_inclusion
from creditchain.tlog.tlogproof import TlogProof, format_tlog_proof

LOG = "hub.example/log"
AT = 1_800_000_000_000

Answer = Callable[[dict[str, Any]], dict[str, Any]]


class ScriptedHub:
    """Answers GraphQL over a transport; `spoil` may change what it says, `script` come first."""

    def __init__(self) -> None:
        self.log_key = Signer(LOG, bytes([1]) * 32)
        self.refusal_key = Signer(f"{LOG}/refusal", bytes([2]) * 32)
        self.observer = CosignatureSigner("observer.example/witness", bytes([3]) * 32)
        self.actor_key: PrivateKey = generate_key()
        self.edge = Edge.empty()
        self.entries: dict[str, tuple[int, bytes]] = {}
        self.requests: list[dict[str, Any]] = []
        self.sign_ins = 0
        self.token_seconds = 600
        self.observed = False
        self.refuse_as: tuple[str, str] | None = None
        self.script: list[httpx2.Response | Exception] = []
        self.spoil: Answer = lambda payload: payload
        policy = (
            f"log {format_vkey(self.log_key.verifier)}\n"
            f"witness w {format_cosigner_vkey(self.observer.verifier)}\nquorum w\n"
        )
        trust = Trust.of_keys(
            format_vkey(self.log_key.verifier), format_vkey(self.refusal_key.verifier)
        )
        self.trust = Trust(parse_policy(policy), trust.refusal)
        self.signer = ActorSigner("bank-hana", self.actor_key, LOG)

    def client(self, **options: Any) -> Client:
        return Client(
            "http://hub.example",
            self.signer,
            options.pop("trust", self.trust),
            transport=httpx2.MockTransport(self._respond),
            **options,
        )

    def admit(self, sealed: Sealed, at: int = AT) -> int:
        known = self.entries.get(sealed.event.id)
        if known is not None:
            return known[0]
        entry = format_entry(Entry(at, sealed.commitment))
        self.edge.append([leaf_hash(entry)])
        self.entries[sealed.event.id] = (self.edge.size - 1, entry)
        return self.edge.size - 1

    def proof(self, index: int, observed: bool | None = None) -> str:
        checkpoint = Checkpoint(LOG, self.edge.size, self.edge.root())
        note = sign_checkpoint(checkpoint, self.log_key)
        if self.observed if observed is None else observed:
            text = note.partition("\n\n")[0] + "\n"
            note += self.observer.cosign(text, AT // 1000).line
        reader = EdgeReader(self.edge.copy(), lambda *_: b"")
        hashes = prove_inclusion(index, self.edge.size, reader)
        return format_tlog_proof(TlogProof(index, hashes, note))

    def refusal(self, commitment: bytes, code: str, path: str) -> str:
        lines = ["creditchain/refusal/v1", LOG, str(self.edge.size), b64u(commitment)]
        lines += [format_time(AT), code, path or "-"]
        return sign_note("\n".join(lines) + "\n", [self.refusal_key])

    def receipt(self, index: int) -> dict[str, Any]:
        level = "OBSERVED" if self.observed else "CHECKPOINTED"
        at = format_time(AT)
        return {"level": level, "index": index, "at": at, "proof": self.proof(index)}

    async def _respond(self, request: httpx2.Request) -> httpx2.Response:
        await asyncio.sleep(0)
        if request.url.path == "/token":
            form = parse_qs(request.content.decode())
            jwt.decode(
                form["client_assertion"][0],
                self.actor_key.signing.public_key(),
                algorithms=["EdDSA"],
                audience=f"{LOG}/token",
            )
            self.sign_ins += 1
            return httpx2.Response(
                200,
                json={
                    "access_token": f"token-{self.sign_ins}",
                    "token_type": "Bearer",
                    "expires_in": self.token_seconds,
                },
            )
        body = json.loads(request.content)
        self.requests.append(body)
        if self.script:
            answer = self.script.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer
        return httpx2.Response(200, json={"data": self.spoil(self._data(body))})

    def _data(self, body: dict[str, Any]) -> dict[str, Any]:
        if body["query"] == load_operation("Submit"):
            return {"submit": [self._submitted(json.loads(e)) for e in body["variables"]["events"]]}
        variables = body["variables"]
        (argument,) = variables.keys() - {"seal", "waitFor", "directory", "statement"}
        seal = variables["seal"]
        event = {
            "body": variables[argument],
            "type": {"order": "OrderAccepted", "member": "MemberWithdrawn"}[argument],
            "log": LOG,
            **{name: seal[name] for name in ("id", "by", "signedAt", "salt")},
        }
        answer = self._submitted({"event": event, "proof": seal["proof"]})
        return {body["query"].split("(")[0].removeprefix("mutation "): answer}

    def _submitted(self, value: dict[str, Any]) -> dict[str, Any]:
        sealed = seal_of(
            parse_event_object(value["event"]), value["proof"], lambda *_: self.actor_key.public
        )
        assert hashlib.sha256(sealed.body).digest() == sealed.commitment
        if self.refuse_as is not None:
            code, path = self.refuse_as
            note = self.refusal(sealed.commitment, code, path)
            return {
                "receipt": None,
                "refusal": {"code": code, "message": "No.", "path": path, "note": note},
            }
        return {"receipt": self.receipt(self.admit(sealed)), "refusal": None}
