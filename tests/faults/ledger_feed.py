"""The feed of an open ledger, without the doors: what an observer in the same process follows."""

from __future__ import annotations

from creditchain.ledger import Ledger
from creditchain.tlog.tile import BundlePath, Tile, format_bundle


class LedgerFeed:
    """The ledger as `regulator.feed` wants a hub."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger

    async def checkpoint(self) -> bytes:
        return self.ledger.head().note.encode()

    async def tile(self, tile: Tile) -> bytes:
        return self.ledger.tile(tile.level, tile.n, tile.width) or b""

    async def entries(self, path: BundlePath) -> bytes:
        return self.ledger.entry_bundle(path.n, path.width) or b""

    async def bodies(self, path: BundlePath) -> bytes:
        return format_bundle([body or b"" for body in self.ledger.bodies(path.n, path.width)])
