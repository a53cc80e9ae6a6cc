"""Zip files with exactly one spelling: members stored, ascending by name, and nothing else.

Any unzip program opens them. A reader takes only what the writer would have made of the same
members, byte for byte: so nothing can hide between, before or behind them, no member can stand
twice or be called something else by two readers, and there is nothing to inflate.

    >>> read_zip(write_zip({"a": b"1", "b": b""}))
    {'a': b'1', 'b': b''}
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

MEMBERS_MAX: Final = 20_500
"""Two for each of the 10,000 events that an evidence bundle may have, and what goes with them."""

ZIP_BYTES_MAX: Final = 67_108_864
"""64 MiB: an order's events with their receipts take 4 KiB each; a browser still opens this."""

NAME: Final = re.compile(r"[a-z][a-z0-9.-]{0,39}(/[a-z0-9.-]{1,59})?")
"""One folder deep at most, no upper case, nothing that a file system or a shell takes amiss."""

_LOCAL: Final = struct.Struct("<IHHHHHIIIHH")
_CENTRAL: Final = struct.Struct("<IHHHHHHIIIHHHHHII")
_END: Final = struct.Struct("<IHHHHIIH")

_LOCAL_SIGNATURE: Final = 0x04034B50
_VERSION: Final = 20
_MADE_ON_UNIX: Final = 3 << 8 | _VERSION
_DATE: Final = 0x0021
"""1 January 1980, where the times of a zip begin."""
_MODE: Final = 0o100644 << 16


class BadZip(ValueError):
    """The bytes are not a zip of this one spelling."""


def write_zip(members: Mapping[str, bytes]) -> bytes:
    """The zip of these members; the same members are always the same bytes."""
    parts, central, at = list[bytes](), list[bytes](), 0
    for name in sorted(members):
        data, raw = members[name], name.encode("ascii")
        crc, size = zlib.crc32(data), len(data)
        shared = (_VERSION, 0, 0, 0, _DATE, crc, size, size, len(raw), 0)
        local = _LOCAL.pack(_LOCAL_SIGNATURE, *shared) + raw
        central.append(_CENTRAL.pack(0x02014B50, _MADE_ON_UNIX, *shared, 0, 0, 0, _MODE, at) + raw)
        parts += [local, data]
        at += len(local) + size
    directory = b"".join(central)
    count = len(central)
    end = _END.pack(0x06054B50, 0, 0, count, count, len(directory), at, 0)
    return b"".join([*parts, directory, end])


def read_zip(data: bytes) -> dict[str, bytes]:
    """The members of a zip of this spelling; raises `BadZip`."""
    if len(data) > ZIP_BYTES_MAX:
        raise BadZip(f"more than {ZIP_BYTES_MAX} bytes")
    members: dict[str, bytes] = {}
    at, last = 0, ""
    while data[at : at + 4] == _LOCAL_SIGNATURE.to_bytes(4, "little"):
        if len(members) >= MEMBERS_MAX:
            raise BadZip(f"more than {MEMBERS_MAX} members")
        if len(data) - at < _LOCAL.size:
            raise BadZip("it is cut off")
        header = _LOCAL.unpack_from(data, at)
        start = at + _LOCAL.size + header[9]
        name = data[at + _LOCAL.size : start].decode("latin-1")
        if NAME.fullmatch(name) is None:
            raise BadZip(f"a member called {name[:60]!r}")
        if name <= last:
            raise BadZip(f"{name} stands twice, or out of order")
        at = start + header[8]
        members[name] = data[start:at]
        last = name
    # Whatever else a zip may say, of its members or of itself, must be what the writer says.
    if write_zip(members) != data:
        raise BadZip("there is more in it, or other, than its members: packed anew, or forged")
    return members


def read_folder(folder: Path) -> dict[str, bytes]:
    """The files of an unpacked zip; raises `BadZip`, and OSError when one cannot be read."""
    members: dict[str, bytes] = {}
    total = 0
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink() or not (path.is_dir() or path.is_file()):
            raise BadZip(f"{name[:60]!r} is no file")
        if path.is_dir():
            continue
        if NAME.fullmatch(name) is None:
            raise BadZip(f"a member called {name[:60]!r}")
        total += path.stat().st_size
        if total > ZIP_BYTES_MAX or len(members) >= MEMBERS_MAX:
            raise BadZip(f"more than {ZIP_BYTES_MAX} bytes or {MEMBERS_MAX} members")
        members[name] = path.read_bytes()
    return members
