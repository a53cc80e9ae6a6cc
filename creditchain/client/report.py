"""The report: built by the agency, read and checked line by line by the orderer.

`creditchain-report/v1` is canonical JSON under a JSON Schema (`schemas/`). What the log holds of it
and how each part is checked:

- the whole text, by a fingerprint under the report's own `salt`;
- each section, by a fingerprint over the canonical JSON of `{"records","section"}` under its salt;
- each line, by its Merkle path to the root of a committed batch: `creditchain.client.records`.

    built = build_report(ordered, sections, missing, batches, objections, generated_at)
    delivery = built.delivery(sealed, sealed_to)            # the event's body
    report = read_report(plaintext, ordered, delivered, batches)   # raises BadReport
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from itertools import islice
from typing import Any, Final

from jsonschema import Draft202012Validator
from jsonschema.protocols import Validator

from creditchain.client.records import Record, check_record
from creditchain.events import b64u, canonical_json, format_time, parse_time, unb64u
from creditchain.events.codes import DisputeCode, MissingCode, Outcome, Purpose, Section
from creditchain.events.order import (
    DeliveredSection,
    MissingSection,
    ReportDelivered,
    SealedReport,
)
from creditchain.fingerprint import SALT_BYTES, fingerprint
from creditchain.tlog.proof import BadProof

SCHEMA: Final = "creditchain-report/v1"
MEDIA_TYPE: Final = "application/json"

REPORT_BYTES_MAX: Final = 8 * 1024 * 1024
"""Some 6,000 lines with their paths; nobody reads a longer report."""

PROBLEMS_MAX: Final = 50
"""Enough to see what went wrong; a mangled report has as many as it has lines."""


@dataclass(frozen=True, slots=True)
class Ordered:
    """What was ordered: the head of a report must say just this."""

    log: str
    order: str
    orderer: str
    agency: str
    product: str
    subject: str
    purpose: Purpose
    sections: tuple[Section, ...]


@dataclass(frozen=True, slots=True)
class CommittedBatch:
    """A record batch as it stands on the log."""

    id: str
    member: str
    root: bytes
    count: int
    sections: tuple[Section, ...]
    as_of: int


@dataclass(frozen=True, slots=True)
class CitedRecord:
    """A line of a report: the record, its salt, and where in which batch it stands."""

    record: Record
    salt: bytes
    batch: str
    index: int
    path: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class OpenObjection:
    """An objection of the subject that nobody has answered yet: an annotation."""

    id: str
    section: Section
    holder: str
    raised_at: int


@dataclass(frozen=True, slots=True)
class Delivered:
    """What the log says was delivered: the whole's fingerprint, and each section's."""

    fingerprint: str
    sections: tuple[DeliveredSection, ...]


@dataclass(frozen=True, slots=True)
class BuiltReport:
    """A report ready to be sealed, and what the log will hold of it."""

    order: str
    plaintext: bytes
    fingerprint: str
    sections: tuple[DeliveredSection, ...]
    missing: tuple[MissingSection, ...]

    def delivery(self, sealed: bytes, sealed_to: str) -> ReportDelivered:
        """The event that delivers it; `sealed_to` is the thumbprint of the recipient's key."""
        return ReportDelivered(
            self.order,
            Outcome.PARTIAL if self.missing else Outcome.COMPLETE,
            SealedReport(
                self.fingerprint,
                b64u(hashlib.sha256(sealed).digest()),
                len(sealed),
                MEDIA_TYPE,
                SCHEMA,
                sealed_to,
            ),
            self.sections,
            self.missing or None,
        )


@dataclass(frozen=True, slots=True)
class Report:
    """A report as read and checked; `lines` are by section, `value` is all of it."""

    ordered: Ordered
    generated_at: int
    lines: Mapping[Section, tuple[CitedRecord, ...]]
    missing: Mapping[Section, MissingCode]
    objections: tuple[OpenObjection, ...]
    fingerprint: str
    value: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong, where (dotted JSON path), and the dispute code it gives ground for."""

    code: DisputeCode
    path: str
    text: str


class BadReport(ValueError):
    """The report is not what was ordered and delivered.

    `opened` is the fingerprint of what was opened, if it has one: a dispute states it.
    """

    def __init__(self, problems: Sequence[Problem], opened: str | None = None) -> None:
        self.problems = tuple(problems[:PROBLEMS_MAX])
        self.opened = opened
        first = self.problems[0]
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        super().__init__(f"{first.path or 'report'}: {first.text}{more}")

    @property
    def code(self) -> DisputeCode:
        """The dispute code of the first problem."""
        return self.problems[0].code


def _fresh_salt() -> bytes:
    return secrets.token_bytes(SALT_BYTES)


def build_report(
    ordered: Ordered,
    sections: Mapping[Section, Sequence[CitedRecord]],
    missing: Mapping[Section, MissingCode],
    batches: Mapping[str, CommittedBatch],
    objections: Sequence[OpenObjection],
    generated_at: int,
    salt: Callable[[], bytes] = _fresh_salt,
) -> BuiltReport:
    """The report on `ordered` out of these lines; sections and missing ones make up the order.

    `generated_at` is in ms; `salt` draws 16 random bytes. Raises `BadReport` when the result is
    not one that `read_report` accepts: what the agency would not accept itself it does not send.
    """
    report_salt = salt()
    cited = {line.batch for lines in sections.values() for line in lines}
    parts: list[dict[str, Any]] = []
    delivered: list[DeliveredSection] = []
    for section in sorted(sections):
        records = [_line_json(line) for line in sections[section]]
        section_salt = salt()
        parts.append({"records": records, "salt": b64u(section_salt), "section": section.value})
        delivered.append(
            DeliveredSection(
                section,
                section_fingerprint(section_salt, section, records),
                tuple(sorted({line.batch for line in sections[section]})),
            )
        )
    plaintext = canonical_json(
        {
            **_head_json(ordered),
            "generatedAt": format_time(generated_at),
            "salt": b64u(report_salt),
            "sections": parts,
            "missing": [
                {"section": section.value, "code": missing[section].value}
                for section in sorted(missing)
            ],
            "batches": [_batch_json(batches[batch]) for batch in sorted(cited & batches.keys())],
            "objections": [
                {
                    "objection": objection.id,
                    "section": objection.section.value,
                    "holder": objection.holder,
                    "raisedAt": format_time(objection.raised_at),
                }
                for objection in sorted(objections, key=lambda o: o.id)
            ],
        }
    )
    whole = b64u(fingerprint(report_salt, plaintext))
    read_report(plaintext, ordered, Delivered(whole, tuple(delivered)), batches)
    absent = tuple(MissingSection(section, missing[section]) for section in sorted(missing))
    return BuiltReport(ordered.order, plaintext, whole, tuple(delivered), absent)


def read_report(
    plaintext: bytes,
    ordered: Ordered,
    delivered: Delivered,
    batches: Mapping[str, CommittedBatch],
) -> Report:
    """The report, every line of it checked against `batches` as they stand on the log.

    Raises `BadReport`, listing everything that is wrong.
    """
    value = parse_report(plaintext)
    try:
        return _read(value, plaintext, ordered, delivered, batches)
    except BadReport:
        raise
    except ValueError as error:
        # A month 13 or a digest with stray bits: of the right form for the schema, and no value.
        raise BadReport([Problem(DisputeCode.UNREADABLE, "", str(error))]) from None


def _read(
    value: Mapping[str, Any],
    plaintext: bytes,
    ordered: Ordered,
    delivered: Delivered,
    batches: Mapping[str, CommittedBatch],
) -> Report:
    salt = unb64u(value["salt"])
    opened = b64u(fingerprint(salt, plaintext))
    problems: list[Problem] = []
    if opened != delivered.fingerprint:
        problems.append(
            Problem(
                DisputeCode.FINGERPRINT_MISMATCH, "", "the text is not the one that was delivered"
            )
        )
    problems += _head_problems(value, ordered)
    problems += _section_problems(value, ordered, delivered)
    lines: dict[Section, tuple[CitedRecord, ...]] = {}
    known = _batch_problems(value, batches, problems)
    for at, part in enumerate(value["sections"]):
        section = Section(part["section"])
        cited = tuple(_line(section, value["subject"], record) for record in part["records"])
        lines[section] = cited
        for number, line in enumerate(cited):
            text = _line_problem(line, known)
            if text is not None:
                path = f"sections.{at}.records.{number}"
                problems.append(Problem(DisputeCode.FINGERPRINT_MISMATCH, path, text))
    if problems:
        raise BadReport(problems, opened)
    return Report(
        ordered=ordered,
        generated_at=parse_time(value["generatedAt"]),
        lines=lines,
        missing={Section(m["section"]): MissingCode(m["code"]) for m in value["missing"]},
        objections=tuple(
            OpenObjection(
                o["objection"], Section(o["section"]), o["holder"], parse_time(o["raisedAt"])
            )
            for o in value["objections"]
        ),
        fingerprint=opened,
        value=value,
    )


def parse_report(plaintext: bytes) -> dict[str, Any]:
    """The JSON of a report in its one spelling and under its schema; raises `BadReport`."""
    unreadable = DisputeCode.UNREADABLE
    if len(plaintext) > REPORT_BYTES_MAX:
        raise BadReport([Problem(unreadable, "", f"more than {REPORT_BYTES_MAX} bytes")])
    try:
        value = json.loads(plaintext, parse_float=_no_float, parse_constant=_no_float)
        # Also refuses duplicate keys, as they do not come out twice.
        canonical = canonical_json(value)
    except (ValueError, RecursionError) as error:
        raise BadReport([Problem(unreadable, "", f"not JSON of a report: {error}")]) from None
    if canonical != plaintext:
        raise BadReport([Problem(unreadable, "", "not in canonical form")])
    try:
        found = [
            Problem(unreadable, ".".join(map(str, error.absolute_path)), _said(error.message))
            for error in islice(_validator().iter_errors(value), PROBLEMS_MAX)
        ]
    except RecursionError:
        found = [Problem(unreadable, "", "nested too deep")]
    if found:
        raise BadReport(found)
    assert isinstance(value, dict), "the schema asks for an object"
    return value


def section_fingerprint(salt: bytes, section: Section, records: Sequence[Mapping[str, Any]]) -> str:
    """The salted fingerprint of a section's records as they stand in the report, base64url."""
    content = canonical_json({"records": list(records), "section": section.value})
    return b64u(fingerprint(salt, content))


@lru_cache(maxsize=1)
def report_schema() -> dict[str, Any]:
    """The JSON Schema of `creditchain-report/v1`."""
    folder = resources.files("creditchain.client") / "schemas"
    text = (folder / "creditchain-report.v1.json").read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


@lru_cache(maxsize=1)
def _validator() -> Validator:
    return Draft202012Validator(report_schema())


def _head_json(ordered: Ordered) -> dict[str, str]:
    return {
        "schema": SCHEMA,
        "log": ordered.log,
        "order": ordered.order,
        "orderer": ordered.orderer,
        "agency": ordered.agency,
        "product": ordered.product,
        "subject": ordered.subject,
        "purpose": ordered.purpose.value,
    }


def _head_problems(value: Mapping[str, Any], ordered: Ordered) -> list[Problem]:
    return [
        Problem(
            DisputeCode.WRONG_SUBJECT if name == "subject" else DisputeCode.FINGERPRINT_MISMATCH,
            name,
            f"is {value[name]}, ordered was {expected}",
        )
        for name, expected in _head_json(ordered).items()
        if value[name] != expected
    ]


def _section_problems(
    value: Mapping[str, Any], ordered: Ordered, delivered: Delivered
) -> list[Problem]:
    present = [part["section"] for part in value["sections"]]
    absent = [part["section"] for part in value["missing"]]
    problems = []
    if sorted(present + absent) != sorted(ordered.sections):
        text = "with the missing ones, these are not the sections that were ordered"
        problems.append(Problem(DisputeCode.INCOMPLETE, "sections", text))
    expected = {part.section.value: part for part in delivered.sections}
    if sorted(present) != sorted(expected):
        text = "these are not the sections that were delivered"
        problems.append(Problem(DisputeCode.FINGERPRINT_MISMATCH, "sections", text))
    for at, part in enumerate(value["sections"]):
        said = expected.get(part["section"])
        if said is None:
            continue
        salt, section = unb64u(part["salt"]), Section(part["section"])
        if section_fingerprint(salt, section, part["records"]) != said.fingerprint:
            text = "the section is not the one that was delivered"
            problems.append(Problem(DisputeCode.FINGERPRINT_MISMATCH, f"sections.{at}", text))
        if {record["batch"] for record in part["records"]} != set(said.batches or ()):
            text = "the section cites other batches than the delivery says"
            problems.append(Problem(DisputeCode.FINGERPRINT_MISMATCH, f"sections.{at}", text))
    return problems


def _batch_problems(
    value: Mapping[str, Any], batches: Mapping[str, CommittedBatch], problems: list[Problem]
) -> dict[str, CommittedBatch]:
    """The batches that the report states as the log does; what it states otherwise is a problem."""
    known = {}
    for at, stated in enumerate(value["batches"]):
        batch = batches.get(stated["batch"])
        if batch is None or _batch_json(batch) != stated:
            text = "the log has no such batch" if batch is None else "the log says otherwise"
            problems.append(Problem(DisputeCode.FINGERPRINT_MISMATCH, f"batches.{at}", text))
        else:
            known[batch.id] = batch
    return known


def _line_problem(line: CitedRecord, batches: Mapping[str, CommittedBatch]) -> str | None:
    batch = batches.get(line.batch)
    if batch is None:
        return "cites a batch that the report does not list"
    if line.record.section not in batch.sections:
        return "cites a batch that has no such section"
    try:
        check_record(line.record.content, line.salt, line.index, batch.count, line.path, batch.root)
    except BadProof as error:
        return f"is not in its batch: {error}"
    return None


def _line_json(line: CitedRecord) -> dict[str, Any]:
    return {
        "batch": line.batch,
        "data": dict(line.record.data),
        "index": line.index,
        "path": [b64u(sibling) for sibling in line.path],
        "salt": b64u(line.salt),
    }


def _line(section: Section, subject: str, value: Mapping[str, Any]) -> CitedRecord:
    return CitedRecord(
        Record(subject, section, value["data"]),
        unb64u(value["salt"]),
        value["batch"],
        value["index"],
        tuple(unb64u(sibling) for sibling in value["path"]),
    )


def _batch_json(batch: CommittedBatch) -> dict[str, Any]:
    return {
        "batch": batch.id,
        "member": batch.member,
        "root": b64u(batch.root),
        "count": batch.count,
        "asOf": format_time(batch.as_of),
    }


def _said(message: str) -> str:
    """A validator's sentence, which may quote half the report, at a length people read."""
    return message if len(message) <= 200 else f"{message[:200]}…"


def _no_float(text: str) -> Any:
    raise ValueError(f"{text[:24]} is no integer")
