"""Records and the files they come in: what an agency or a data source commits to.

A record is `{"subject": enterprise id, "section": code, "data": {...}}`. Of its canonical JSON the
log learns nothing but one RFC 6962 root over up to 1,000,000 *salted* fingerprints; the salts stay
with their holder (`creditchain.client.record_store`). Whoever is given a record, its salt and its
path can check it against the log, offline.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, get_args

from creditchain.events import MalformedEvent, canonical_json, parse_json
from creditchain.events.codes import Section
from creditchain.events.envelope import JSON_DEPTH_MAX
from creditchain.events.field import EnterpriseId
from creditchain.fingerprint import fingerprint
from creditchain.tlog.merkle import leaf_hash
from creditchain.tlog.proof import check_inclusion

RECORD_BYTES_MAX: Final = 16_384
"""A record is a line of a report: a loan, a judgment, a year's figures; longer is a document."""

PROGRESS_LINES: Final = 4_096
"""How often a reader says how far it is."""

_parse_subject = get_args(EnterpriseId)[1].parse
_SECTIONS: Final = {section.value: section for section in Section}
_FIELDS: Final = {"subject", "section", "data"}


class BadRecords(ValueError):
    """A record file that cannot be committed: the message names file, line and problem."""


@dataclass(frozen=True, slots=True)
class Record:
    """One line about one enterprise. `data` is what its section holds: texts, integers, lists."""

    subject: str
    section: Section
    data: Mapping[str, Any]

    @property
    def content(self) -> bytes:
        """The canonical bytes that are fingerprinted."""
        return canonical_json(self.to_json())

    def to_json(self) -> dict[str, Any]:
        """The record as it stands in a record file and in a report."""
        return {"data": dict(self.data), "section": self.section.value, "subject": self.subject}


def parse_record(value: object) -> Record:
    """The record in parsed JSON; raises ValueError saying what is wrong."""
    if not isinstance(value, dict) or value.keys() != _FIELDS:
        raise ValueError("a record has the fields subject, section and data")
    section = _SECTIONS.get(value["section"]) if isinstance(value["section"], str) else None
    if section is None:
        raise ValueError("section: not one of the Section codes")
    if not isinstance(value["data"], dict) or not value["data"]:
        raise ValueError("data: not an object with fields")
    return Record(_parse_subject(value["subject"]), section, value["data"])


def read_records(
    path: Path,
    progress: Callable[[int], None] | None = None,
    check: Callable[[Record], None] = lambda _record: None,
) -> Iterator[Record]:
    """The records of a `.csv` file, or of a file of JSON lines, one at a time.

    A CSV file has the columns `subject`, `section` and either `data` (a JSON object) or one column
    for each field, whose non-empty cells become texts. `progress` is told the bytes read so far;
    `check` raises ValueError for a record that will not do.
    Raises `BadRecords` at the first line that is no record.
    """
    number = 0
    try:
        with path.open("rb") as file:
            lines = _lines(path, file, progress)
            rows = _csv_rows(lines) if path.suffix.lower() == ".csv" else _json_rows(lines)
            for number, value in rows:  # noqa: B007 - names the line when the next one fails
                record = parse_record(value)
                check(record)
                yield record
    except OSError as error:
        raise BadRecords(f"{path}: {error.strerror}") from None
    except BadRecords:
        raise
    except (ValueError, csv.Error) as error:
        where = error.number if isinstance(error, _BadLine) else number
        raise BadRecords(f"{path}, line {where}: {error}") from None


def leaf_of(content: bytes, salt: bytes) -> bytes:
    """The tree's leaf hash for a record's canonical bytes under its salt."""
    return leaf_hash(fingerprint(salt, content))


def check_record(
    content: bytes, salt: bytes, index: int, count: int, path: Sequence[bytes], root: bytes
) -> None:
    """Raises `BadProof` unless the record stands at `index` of the batch with `root`."""
    check_inclusion(leaf_of(content, salt), index, count, path, root)


class _BadLine(ValueError):
    """A problem on a line whose number the reader knows better than its caller."""

    def __init__(self, number: int, problem: str) -> None:
        super().__init__(problem)
        self.number = number


def _lines(
    path: Path, file: Any, progress: Callable[[int], None] | None
) -> Iterator[tuple[int, bytes]]:
    """Numbered lines, none of them longer than a record may be."""
    number = done = 0
    # Twice, because a CSV cell doubles its quotes.
    while line := file.readline(2 * RECORD_BYTES_MAX):
        number += 1
        done += len(line)
        if not line.endswith(b"\n") and len(line) == 2 * RECORD_BYTES_MAX:
            raise BadRecords(f"{path}, line {number}: longer than a record may be")
        yield number, line
        if progress is not None and number % PROGRESS_LINES == 0:
            progress(done)
    if progress is not None:
        progress(done)


def _json_rows(lines: Iterable[tuple[int, bytes]]) -> Iterator[tuple[int, object]]:
    for number, line in lines:
        if line.strip():
            yield number, _value(number, line.rstrip(b"\r\n"))


def _csv_rows(lines: Iterable[tuple[int, bytes]]) -> Iterator[tuple[int, object]]:
    reader = csv.reader(_decoded(lines), strict=True)
    header = next(reader, [])
    if not {"subject", "section"} <= set(header) or len(set(header)) != len(header):
        raise _BadLine(1, "the header names subject, section and the fields, each once")
    whole = "data" in header
    if whole and len(header) != len(_FIELDS):
        raise _BadLine(1, "beside a data column there are only subject and section")
    for cells in reader:
        if not cells:
            continue
        if len(cells) != len(header):
            raise _BadLine(reader.line_num, f"{len(cells)} cells under {len(header)} columns")
        row: dict[str, Any] = dict(zip(header, cells, strict=True))
        head = {"subject": row.pop("subject"), "section": row.pop("section")}
        data = (
            _value(reader.line_num, row["data"].encode())
            if whole
            else {name: cell for name, cell in row.items() if cell}
        )
        yield reader.line_num, {**head, "data": data}


def _decoded(lines: Iterable[tuple[int, bytes]]) -> Iterator[str]:
    for number, line in lines:
        # Spreadsheets put a byte order mark before the header.
        text = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
        try:
            yield text.decode()
        except UnicodeError:
            raise _BadLine(number, "not UTF-8") from None


# What only the thorough parser judges: nulls, escapes (lone surrogates), integers near 2^53.
_THOROUGH: Final = re.compile(rb"null|\\|[0-9]{16}")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs) or not all(map(str.isascii, result)):
        raise MalformedEvent("", "a key stands twice in one object, or is not ASCII")
    return result


def _no_float(text: str) -> Any:
    raise MalformedEvent("", f"{text[:24]} is no integer")


_decoder: Final = json.JSONDecoder(
    object_pairs_hook=_object, parse_float=_no_float, parse_constant=_no_float
)


def _value(number: int, data: bytes) -> object:
    """As `parse_json` of the events, which judges the same, three times as fast for plain lines."""
    try:
        if (
            len(data) > RECORD_BYTES_MAX
            or data.count(b"{") + data.count(b"[") > JSON_DEPTH_MAX
            or _THOROUGH.search(data) is not None
        ):
            return parse_json(data, RECORD_BYTES_MAX)
        return _decoder.decode(data.decode())
    except MalformedEvent as error:
        raise _BadLine(number, error.problem) from None
    except ValueError as error:
        raise _BadLine(number, f"not JSON: {error}") from None
