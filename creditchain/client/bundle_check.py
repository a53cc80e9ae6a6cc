"""Judging an evidence bundle offline, and making one that was judged before it is handed out.

Every event is proven to be on the log, under a checkpoint with the cosignatures that the policy
asks for; every signature is verified with a key that leads back to the founding; every time lies
where it may; every byte is accounted for. What cannot be shown from the bundle is told, not passed
over: events whose author is `unshown`, things cited and `absent`.

The founding must be the pinned one. Without a pin a bundle is judged by its own founding and policy
and the verdict says so: whoever reads it compares both with what they were given.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from creditchain.client.bundle import (
    COVER,
    EVIDENCE_TYPE,
    MANIFEST,
    POLICY,
    SIGNATURE,
    BadBundleFile,
    BundledEvent,
    Listed,
    Manifest,
    body_name,
    complete,
    event_members,
    open_members,
    policy_digest,
    proof_name,
    verifier_members,
)
from creditchain.client.cover import render_cover
from creditchain.client.evidence import BadEvidence, Trust, commitment_of, open_genesis
from creditchain.client.judged import Judged, JudgedEvent, Pins
from creditchain.client.jws import BadSignature, check, kid_of
from creditchain.client.keys import PrivateKey
from creditchain.client.stored_zip import ZIP_BYTES_MAX, BadZip, read_folder, read_zip, write_zip
from creditchain.client.verify import CannotReach, Verdict
from creditchain.events import Event, unb64u
from creditchain.events.enterprise import EnterpriseEnrolled
from creditchain.events.erasure import BodyErased
from creditchain.events.order import OrderPlaced, ReportDelivered
from creditchain.events.product import ProductOffered
from creditchain.rulebook.rule import SKEW_MS
from creditchain.seal import BadSeal, Entry, SealFault, format_entry, unseal
from creditchain.tlog.policy import parse_policy
from creditchain.tlog.proof import BadProof
from creditchain.tlog.tlogproof import CheckedProof, check_tlog_proof, parse_tlog_proof

UNPINNED: Final = Pins()
"""Nothing to compare with: a bundle is then judged by its own founding and policy."""


def make_bundle(
    order: str, maker: str, key: PrivateKey, policy: str, events: Iterable[BundledEvent]
) -> tuple[bytes, Verdict]:
    """The bundle of an order's events, signed by `maker` with `key`, and what verifying it says.

    One that does not verify is to be shown to nobody. Raises `BadBundleFile` where the founding is
    not among the events.
    """
    rows = sorted(events, key=lambda e: e.index)
    if not rows or rows[0].index != 0 or rows[0].body is None:
        raise BadBundleFile("the founding is not among the events")
    log = open_genesis(rows[0].body).event.log
    members = {POLICY: policy.encode("utf-8"), **event_members(rows)}
    listed = tuple(Listed(e.index, e.at, e.unshown) for e in rows)
    manifest = Manifest(log, commitment_of(rows[0].body), order, maker, listed, {})
    verdict = Verdict("evidence")
    judged = _judge_events(manifest, members, UNPINNED, verdict)
    # What does not hold is not told as a story.
    cover = b"" if judged is None or verdict.problems else render_cover(judged).encode("utf-8")
    members = complete(manifest, {**members, COVER: cover, **verifier_members()}, key)
    return write_zip(members), verify_members(members, UNPINNED)


def verify_bundle(path: Path, pins: Pins = UNPINNED) -> Verdict:
    """Whether a bundle, a file or the folder it was unpacked to, shows what it says it shows.

    Raises `CannotReach` for what is no bundle at all.
    """
    try:
        if path.is_dir():
            members = read_folder(path)
        else:
            with path.open("rb") as file:
                members = read_zip(file.read(ZIP_BYTES_MAX + 1))
    except OSError as error:
        raise CannotReach(f"{path}: {error.strerror or error}") from None
    except BadZip as error:
        raise CannotReach(f"{path}: no bundle: {error}") from None
    return verify_members(members, pins)


def verify_members(members: Mapping[str, bytes], pins: Pins) -> Verdict:
    """As `verify_bundle`, for the members as they were read."""
    verdict = Verdict("evidence")
    try:
        manifest = open_members(members)
        judged = _judge_events(manifest, members, pins, verdict)
    except ValueError as error:
        verdict.blame(str(error))
        return verdict
    if judged is not None:
        _judge_maker(judged, members, verdict)
        verdict.facts = judged.to_json()
        ours = verifier_members()
        verdict.facts["verifiers"] = "OURS" if ours.items() <= members.items() else "OTHER"
        # What does not hold is not told as a story.
        verdict.facts["cover"] = (
            "OTHER" if verdict.problems else _whose_cover(judged, manifest, members)
        )
    return verdict


def _judge_events(
    manifest: Manifest, members: Mapping[str, bytes], pins: Pins, verdict: Verdict
) -> Judged | None:
    """What the events show; None where they are of another log than the pinned one."""
    genesis = members.get(body_name(0), b"")
    own = Trust.of_genesis(genesis, parse_policy(members[POLICY]))
    founding = commitment_of(genesis)
    if founding != manifest.founding or own.origin != manifest.log:
        verdict.blame("entry 0 is another founding than the manifest's")
        return None
    if pins.founding not in (None, founding):
        verdict.blame("the bundle is of another log: its founding is not the pinned one")
        return None
    if pins.policy is not None and [line.verifier for line in pins.policy.logs] != [own.log]:
        verdict.blame("the bundle is of another log: its key is not the pinned one")
        return None
    policy = own.policy if pins.policy is None else pins.policy
    judged = Judged(
        manifest.log,
        manifest.order,
        manifest.maker,
        policy,
        policy_digest(members[POLICY]),
        pins,
        founding,
    )
    walk = _Walk(judged, verdict)
    for listed in manifest.events:
        proof = members[proof_name(listed.index)]
        walk.take(listed, members.get(body_name(listed.index)), proof)
    walk.close()
    return judged


def _whose_cover(judged: Judged, manifest: Manifest, members: Mapping[str, bytes]) -> str:
    """OURS: the cover says what these events show, in this release's words; else OTHER.

    It is what people read, and its maker may sign any page.
    """
    made_of: Judged | None = judged
    if judged.pins != UNPINNED:
        # A maker knows no pins.
        made_of = _judge_events(manifest, members, UNPINNED, Verdict("evidence"))
    assert made_of is not None, "what agrees with pins agrees with itself"
    return "OURS" if render_cover(made_of).encode("utf-8") == members[COVER] else "OTHER"


class _Walk:
    """One pass over the events, in the log's order."""

    def __init__(self, judged: Judged, verdict: Verdict) -> None:
        self._judged = judged
        self._verdict = verdict
        self._last_at = 0
        self._roots: dict[int, bytes] = {}
        self._gone: dict[int, tuple[Listed, bytes]] = {}

    def take(self, listed: Listed, body: bytes | None, proof: bytes) -> None:
        if listed.at < self._last_at:
            self._verdict.blame(f"entry {listed.index}: its time lies before the one before")
        self._last_at = listed.at
        if body is None:
            self._gone[listed.index] = (listed, proof)
            return
        try:
            self._take_body(listed, body, proof)
        except ValueError as error:
            self._verdict.blame(f"entry {listed.index}: {error}")

    def close(self) -> None:
        judged = self._judged
        for index in self._gone:
            self._verdict.blame(f"entry {index}: no body, and no event here says it was erased")
        judged.events.sort(key=lambda e: e.index)
        said = [e.event for e in judged.events if e.event is not None]
        if not any(_is_about(event, judged.order) for event in said):
            self._verdict.blame(f"nothing in it is about the order {judged.order}")
        judged.absent = list(_absent(said, judged.order))

    def _take_body(self, listed: Listed, body: bytes, proof: bytes) -> None:
        chain, index, at = self._judged.chain, listed.index, listed.at
        checked = self._check_proof(listed, commitment_of(body), proof)
        try:
            sealed = unseal(body, chain.find)
        except BadSeal as bad:
            if not (listed.unshown and bad.fault is SealFault.KEY_UNKNOWN):
                raise
            self._check_head(bad.event, at)
            self._judged.events.append(JudgedEvent(index, at, bad.event, checked))
            return
        self._check_head(sealed.event, at)
        chain.judge(sealed, index, at)
        chain.learn(sealed, index)
        trail = tuple(chain.trail(sealed.event.by, sealed.kid))
        self._judged.events.append(JudgedEvent(index, at, sealed.event, checked, sealed.kid, trail))
        said = sealed.event.body
        if isinstance(said, BodyErased) and said.index in self._gone:
            gone, its_proof = self._gone.pop(said.index)
            erased = self._check_proof(gone, unb64u(said.commitment), its_proof)
            self._judged.events.append(JudgedEvent(gone.index, gone.at, None, erased))

    def _check_head(self, event: Event, at: int) -> None:
        if event.log != self._judged.log:
            raise BadEvidence("it was said on another log")
        if abs(event.signed_at - at) > SKEW_MS:
            raise BadEvidence("it was signed at another time than it was admitted")

    def _check_proof(self, listed: Listed, commitment: bytes, proof: bytes) -> CheckedProof:
        entry = format_entry(Entry(listed.at, commitment))
        try:
            checked = check_tlog_proof(proof, entry, self._judged.policy)
            extra = parse_tlog_proof(proof).extra
        except BadProof as error:
            raise BadEvidence(f"the receipt: {error}") from None
        if checked.index != listed.index or extra is not None:
            raise BadEvidence("its receipt is of another index, or says more than it proves")
        if any(c.time_s * 1000 + 999 < listed.at - SKEW_MS for c in checked.cosignatures):
            raise BadEvidence("it was cosigned before it was admitted")
        root = checked.checkpoint.root
        if self._roots.setdefault(checked.checkpoint.size, root) != root:
            raise BadEvidence("two checkpoints of one size have two roots: the log has forked")
        return checked


def _judge_maker(judged: Judged, members: Mapping[str, bytes], verdict: Verdict) -> None:
    # What is not ASCII is no signature: replaced, it stays none.
    jws, maker, chain = members[SIGNATURE].decode("ascii", "replace"), judged.maker, judged.chain
    known = chain.keys.get((maker, kid_of(jws)))
    if known is None or known.ended is not None or chain.actors[maker].ended is not None:
        verdict.blame("no key shown here, and still in force, is that of the bundle's maker")
        return
    try:
        check(members[MANIFEST], jws, known.key, EVIDENCE_TYPE)
    except BadSignature:
        verdict.blame("the maker's signature over the manifest is wrong")


def _is_about(event: Event, order: str) -> bool:
    return order in {event.id, getattr(event.body, "order", None)}


def _absent(said: list[Event], order: str) -> Iterable[dict[str, str]]:
    """What the order cites and the bundle does not show."""
    ids = {event.id for event in said}
    products = {e.body.product for e in said if isinstance(e.body, ProductOffered)}
    enrolled = {e.body.enterprise for e in said if isinstance(e.body, EnterpriseEnrolled)}
    if order not in ids:
        yield {"what": "order", "id": order}
    for event in said:
        body = event.body
        if isinstance(body, OrderPlaced) and event.id == order:
            if body.consent is not None and body.consent not in ids:
                yield {"what": "consent", "id": body.consent}
            if body.product not in products:
                yield {"what": "product", "id": body.product}
            if body.enterprise not in enrolled:
                yield {"what": "enterprise", "id": body.enterprise}
        if isinstance(body, ReportDelivered) and body.order == order:
            cited = {batch for part in body.sections or () for batch in part.batches or ()}
            yield from ({"what": "records", "id": batch} for batch in sorted(cited - ids))
