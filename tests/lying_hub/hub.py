"""The lying hub: a feed that tells one lie per method, and what each must give.

It has been honest so far and the observer has followed it. Then it tells one lie: on the log, in
what it serves, or with checkpoints; the lies themselves are in `lies`. Members hold what it gave
them, and may hand it in.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass, replace

from creditchain.tlog.proof import prove_inclusion
from creditchain.tlog.tile import BundlePath, Tile
from creditchain.tlog.tlogproof import TlogProof, format_tlog_proof
from regulator.finding import FindingCode
from tests.lying_hub import lies
from tests.lying_hub.honest import Consortium, HonestFeed, Log
from tests.lying_hub.refusals import refuse_unfairly


@dataclass(frozen=True)
class Told:
    """What a lie must give: exactly this finding, at this entry (None: it is about the tree).

    `members` is what members hand in afterwards; `patience_s` how long the lie must last; `certain`
    whether there is no doubt who is wrong.
    """

    code: FindingCode
    index: int | None = None
    members: Sequence[bytes] = ()
    patience_s: float = 0.0
    certain: bool = True


class LyingHub(HonestFeed):
    """An honest hub of some 300 entries, until a method is called."""

    def __init__(self, seed: int) -> None:
        self.consortium = Consortium(seed)
        self.consortium.play(300)
        super().__init__(self.consortium.log)
        self.serving: HonestFeed = HonestFeed(self.log)

    # With checkpoints.

    def fork_at_the_same_size(self) -> Told:
        """Another tree of the size that was shown before."""
        self._serve(self._other_log(280, self.log.size))
        return Told(FindingCode.FORK)

    def fork_and_grow(self) -> Told:
        """A larger tree that does not extend the one that was shown before."""
        self._serve(self._other_log(280, self.log.size + 40))
        return Told(FindingCode.FORK)

    def show_a_smaller_tree(self) -> Told:
        """A tree that it has shown before, and keeps to."""
        smaller = Log(self.log.signer)
        for entry, body in zip(self.log.entries[:200], self.log.bodies[:200], strict=True):
            smaller.append_raw(entry, body)
        self._serve(smaller)
        return Told(FindingCode.ROLLED_BACK, patience_s=120)

    def tell_two_members_two_checkpoints(self) -> Told:
        """To each a tree of its own, of one size; to the observer a third, larger one."""
        size = self.log.size + 20
        self.consortium.play(40)
        ours = self.log.notes[self.log.size]
        other = self._other_log(310, size)
        third = self._other_log(310, self.log.size)
        assert len({ours, other.note, third.note}) == 3
        return Told(FindingCode.FORK, members=[ours.encode(), other.note.encode()])

    def keep_the_newest_from_us(self) -> Told:
        """A member is shown more than the observer."""
        shown = self.log.note
        self.consortium.play(40)
        newest, self.log.note = self.log.note, shown
        return Told(FindingCode.HEAD_WITHHELD, members=[newest.encode()], patience_s=1_000)

    # On the log.

    def omit_what_it_gave_a_receipt_for(self) -> Told:
        """An event was admitted, its receipt given, and the log goes on without it."""
        other = self._other_log(self.log.size, self.log.size + 1)
        index = self.log.size
        proof = TlogProof(
            index, prove_inclusion(index, other.size, other.reader()), other.note,
            other.entries[index],
        )  # fmt: skip
        self.consortium.play(40)
        return Told(FindingCode.RECEIPT_DENIED, index, [format_tlog_proof(proof).encode()])

    def backdate(self) -> Told:
        """An event is admitted with a time before the last entry's."""
        return self._told(lies.backdate, FindingCode.TIME_WENT_BACK)

    def postdate(self) -> Told:
        """The operator alone says that a month has passed, and lets an order lapse."""
        return replace(self._told(lies.postdate, FindingCode.TIME_AHEAD), certain=False)

    def skip_the_law(self) -> Told:
        """An order without consent or ground is admitted."""
        return self._told(lies.skip_the_law, FindingCode.LAW_BROKEN)

    def forge_a_member(self) -> Told:
        """The bank is made to say something."""
        return self._told(lies.forge_a_member, FindingCode.SIGNATURE_INVALID)

    def swap_a_fingerprint_on_the_log(self) -> Told:
        """A delivery is logged with another fingerprint than the agency signed."""
        return self._told(lies.swap_a_fingerprint, FindingCode.SIGNATURE_INVALID)

    def refuse_unfairly(self) -> Told:
        """A lawful event is refused, and the refusal signed."""
        event, note = refuse_unfairly(self.consortium)
        return Told(FindingCode.UNFOUNDED_REFUSAL, None, [event, note])

    # In what is served.

    def omit(self) -> Told:
        """An entry is left out."""
        return self._served(lies.Omitting, FindingCode.ENTRY_MISMATCH)

    def reorder(self) -> Told:
        """Two entries change places."""
        return self._served(lies.Reordering, FindingCode.ENTRY_MISMATCH)

    def redate(self) -> Told:
        """An entry is served with another time."""
        return self._served(lies.Redating, FindingCode.ENTRY_MISMATCH)

    def swap_a_fingerprint(self) -> Told:
        """A body is served with another fingerprint in it."""
        return self._served(
            lies.SwappingFingerprint, FindingCode.BODY_ALTERED, b'"DeliveryAcknowledged"'
        )

    def alter_a_body(self) -> Told:
        """A body is served with a byte changed."""
        return self._served(lies.AlteringBody, FindingCode.BODY_ALTERED)

    def withhold_a_body(self) -> Told:
        """A body is not served."""
        return self._served(lies.WithholdingBody, FindingCode.BODY_WITHHELD)

    def forge_cell_and_tile_together(self) -> Told:
        """An entry, its body and the leaf in the tile over it are forged together."""
        # The proof of growth fails first, and that is about the tree; `test_lies` asks it where.
        return Told(self._served(lies.ForgingPair, FindingCode.TILE_MISMATCH).code)

    # What was served well once.

    def drop_a_body(self) -> Told:
        """A body that it served is gone, and nothing on the log says why."""
        index = self._place(b'"CreditDecided"', 260)
        self.log.bodies[index] = b""
        return Told(FindingCode.ERASURE_UNLOGGED, index, patience_s=1_000)

    def ignore_an_erasure(self) -> Told:
        """A body that the log says is erased is still served."""
        index = self._place(b'"CreditDecided"', 260)
        lies.erase_in_words_only(self.consortium, index)
        return Told(FindingCode.ERASURE_IGNORED, index, patience_s=100_000)

    async def checkpoint(self) -> bytes:
        return await self.serving.checkpoint()

    async def tile(self, tile: Tile) -> bytes:
        return await self.serving.tile(tile)

    async def entries(self, path: BundlePath) -> bytes:
        return await self.serving.entries(path)

    async def bodies(self, path: BundlePath) -> bytes:
        return await self.serving.bodies(path)

    def _told(self, lie, code: FindingCode) -> Told:
        index = lie(self.consortium)
        self.consortium.at += 10
        self.log.publish()
        return Told(code, index)

    def _served(self, lying, code: FindingCode, kind: bytes = b'"CreditDecided"') -> Told:
        before = self.log.size
        self.consortium.play(80)
        place = self._place(kind, before)
        self.serving = lying(self.consortium, place)
        return Told(code, place)

    def _place(self, kind: bytes, after: int) -> int:
        """An entry of this kind on which nothing later depends."""
        bodies = self.log.bodies
        for index in range(after, len(bodies) - 1):
            order = bodies[index].partition(b'"order":"')[2][:36]
            if kind in bodies[index] and not any(order in body for body in bodies[index + 1 :]):
                return index
        raise AssertionError(f"no {kind!r} after {after}: take another seed")

    def _other_log(self, kept: int, size: int) -> Log:
        """A log of the same key that leaves this one after `kept` entries."""
        whole = lies.another_history(self.consortium, kept).log
        other = Log(self.log.signer)
        for entry, body in zip(whole.entries[:size], whole.bodies[:size], strict=True):
            other.append_raw(entry, body)
        other.publish()
        return other

    def _serve(self, log: Log) -> None:
        log.publish()
        self.serving = HonestFeed(log)


LIES = sorted(
    name
    for name, method in inspect.getmembers(LyingHub, inspect.isfunction)
    if method.__annotations__.get("return") == "Told" and not name.startswith("_")
)
"""Every lie, by name."""
