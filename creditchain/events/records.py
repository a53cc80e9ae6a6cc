"""Commitments of data sources and agencies to the records they hold.

PURE. A record batch has the id of the event that committed it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final

from creditchain.events.codes import Section, SupersedeReason
from creditchain.events.field import Digest, EventId, Timestamp, integer_kind

RECORDS_MAX: Final = 1_000_000
"""Records in one batch: a path is then at most 20 hashes, and a file still fits one machine."""

RecordCount = Annotated[int, integer_kind("RecordCount", 1, RECORDS_MAX, "records in one batch")]


@dataclass(frozen=True, slots=True)
class RecordsCommitted:
    """One RFC 6962 root over `count` salted record fingerprints, true as of `as_of`."""

    root: Digest
    count: RecordCount
    sections: tuple[Section, ...]
    as_of: Timestamp


@dataclass(frozen=True, slots=True)
class RecordsSuperseded:
    """A batch no longer counts; `replacement` is the batch that stands in its place, if any."""

    batch: EventId
    reason: SupersedeReason
    replacement: EventId | None = None
