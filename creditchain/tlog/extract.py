"""A stretch of a log in one file: consecutive entries with their bodies, and a signed checkpoint.

What one holder of a log hands to another who lost its end. Nothing in it is believed: the entries
lead to the root that the log itself has signed, or they do not. All numbers are big-endian:

    "creditchain log extract v1\\n"
    u64   start: the index of the first entry
    u32   bytes of the checkpoint; the checkpoint, a C2SP signed note
    then for each index from `start` up to the checkpoint's size:
    u16   bytes of the entry; the entry
    u16   bytes of the body; the body, of 0 bytes where it is erased or was never seen
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import BinaryIO, Final

from creditchain.tlog.merkle import SIZE_MAX
from creditchain.tlog.note import NOTE_BYTES_MAX
from creditchain.tlog.tile import ENTRY_BYTES_MAX

MAGIC: Final = b"creditchain log extract v1\n"


class BadExtract(ValueError):
    """The file is no extract of a log, or is cut short."""


class ExtractReader:
    """An opened extract; `pairs` may be read any number of times."""

    def __init__(self, file: BinaryIO) -> None:
        """Reads the head of a seekable file; raises `BadExtract`."""
        self._file = file
        if file.read(len(MAGIC)) != MAGIC:
            raise BadExtract("it does not begin as an extract of a log")
        self.start = int.from_bytes(_exactly(file, 8))
        size = int.from_bytes(_exactly(file, 4))
        if self.start > SIZE_MAX or size > NOTE_BYTES_MAX:
            raise BadExtract("its head has numbers that no log has")
        try:
            self.note = _exactly(file, size).decode()
        except UnicodeDecodeError:
            raise BadExtract("its checkpoint is not UTF-8") from None
        self._first = file.tell()

    def pairs(self, size: int) -> Iterator[tuple[bytes, bytes]]:
        """Entry and body of each index from `start` up to `size`, which ends the file.

        Raises `BadExtract` when there are fewer or more.
        """
        self._file.seek(self._first)
        for _ in range(self.start, size):
            entry = _exactly(self._file, int.from_bytes(_exactly(self._file, 2)))
            yield entry, _exactly(self._file, int.from_bytes(_exactly(self._file, 2)))
        if self._file.read(1):
            raise BadExtract("there is something after its last entry")


def write_extract(
    file: BinaryIO, start: int, note: str, pairs: Iterable[tuple[bytes, bytes]]
) -> None:
    """Writes the extract from `start` up to the size in `note`; raises `BadExtract`.

    The caller gives exactly so many pairs of entry and body, empty bodies where there are none.
    """
    data = note.encode()
    if not 0 <= start <= SIZE_MAX or len(data) > NOTE_BYTES_MAX:
        raise BadExtract("no log has such numbers")
    file.write(MAGIC + start.to_bytes(8) + len(data).to_bytes(4) + data)
    for pair in pairs:
        for part in pair:
            if len(part) > ENTRY_BYTES_MAX:
                raise BadExtract(f"{len(part)} bytes are over {ENTRY_BYTES_MAX}")
            file.write(len(part).to_bytes(2) + part)


def _exactly(file: BinaryIO, count: int) -> bytes:
    data = file.read(count)
    if len(data) != count:
        raise BadExtract("it is cut short")
    return data
