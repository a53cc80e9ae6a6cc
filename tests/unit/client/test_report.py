"""Reports: built from committed records, and checked line by line against the log."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from creditchain.client.fresh import fresh_enterprise_id, fresh_event_id
from creditchain.client.record_store import RecordStore
from creditchain.client.records import Record, read_records
from creditchain.client.report import (
    REPORT_BYTES_MAX,
    BadReport,
    BuiltReport,
    CitedRecord,
    CommittedBatch,
    Delivered,
    OpenObjection,
    Ordered,
    build_report,
    parse_report,
    read_report,
    report_schema,
)
from creditchain.events import canonical_json, format_fields, parse_fields
from creditchain.events.codes import DisputeCode, MissingCode, Outcome, Purpose, Section
from creditchain.events.order import ReportDelivered

RECORDS = sorted((Path(__file__).parents[3] / "fixtures" / "records").glob("*.jsonl"))
SUBJECT = fresh_enterprise_id()
LOAN = {
    "account": "L1",
    "amount": {"amount": 5, "currency": "CNY"},
    "class": "normal",
    "lender": "木棉银行",
}


def ordered(**changes: Any) -> Ordered:
    return Ordered(
        **{
            "log": "hub.example/log",
            "order": fresh_event_id(),
            "orderer": "bank-hana",
            "agency": "agency-pearl",
            "product": "agency-pearl/full",
            "subject": SUBJECT,
            "purpose": Purpose.PRE_LOAN_REVIEW,
            "sections": (Section.IDENTITY, Section.LOANS, Section.RATINGS),
            **changes,
        }
    )


class Case:
    """An agency with two committed batches, an order, and the report on it."""

    def __init__(self, folder: Path) -> None:
        store = RecordStore(folder / "records.db")
        identity = {"name": "木棉市安兴玩具有限公司", "uscc": "919900000000000192"}
        first = [Record(SUBJECT, Section.IDENTITY, identity)]
        second = [Record(SUBJECT, Section.LOANS, {**LOAN, "account": f"L{n}"}) for n in range(3)]
        self.batches = {}
        self.lines: dict[Section, list[CitedRecord]] = {}
        for records in (first, second):
            batch = store.add(records, as_of=1_000)
            store.mark_committed(batch.id, 1)
            self.batches[batch.id] = CommittedBatch(
                batch.id, "agency-pearl", batch.root, batch.count, batch.sections, batch.as_of
            )
            held = store.find(SUBJECT, records[0].section)
            paths = store.prove(batch, [h.index for h in held])
            self.lines[records[0].section] = [
                CitedRecord(records[h.index], h.salt, h.batch, h.index, path)
                for h, path in zip(held, paths, strict=True)
            ]
        self.ordered = ordered()
        self.missing = {Section.RATINGS: MissingCode.NO_RECORDS}
        self.objections = (OpenObjection(fresh_event_id(), Section.LOANS, "agency-pearl", 7_000),)
        self.built = self.build()
        self.delivered = Delivered(self.built.fingerprint, self.built.sections)

    def build(self) -> BuiltReport:
        return build_report(
            self.ordered, self.lines, self.missing, self.batches, self.objections, 9_000
        )

    def read(self, plaintext: bytes) -> Any:
        return read_report(plaintext, self.ordered, self.delivered, self.batches)


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    return Case(tmp_path_factory.mktemp("agency"))


def test_a_built_report_reads(case: Case):
    report = case.read(case.built.plaintext)
    assert {section: list(lines) for section, lines in report.lines.items()} == case.lines
    assert report.missing == case.missing
    assert report.objections == case.objections
    assert report.fingerprint == case.built.fingerprint
    assert report.generated_at == 9_000


def test_its_delivery_is_an_event_the_log_takes(case: Case):
    delivery = case.built.delivery(b"sealed", "A" * 43)
    assert delivery.outcome is Outcome.PARTIAL
    assert parse_fields(ReportDelivered, format_fields(delivery)) == delivery


def test_nothing_missing_is_a_complete_delivery(tmp_path: Path):
    case = Case(tmp_path)
    case.ordered = ordered(sections=(Section.IDENTITY, Section.LOANS))
    case.missing = {}
    delivery = case.build().delivery(b"sealed", "A" * 43)
    assert (delivery.outcome, delivery.missing) == (Outcome.COMPLETE, None)


def test_two_reports_on_one_order_share_no_fingerprint(case: Case):
    again = case.build()
    assert again.fingerprint != case.built.fingerprint
    assert {p.fingerprint for p in again.sections}.isdisjoint(
        p.fingerprint for p in case.built.sections
    )


def test_the_schema_is_a_schema():
    Draft202012Validator.check_schema(report_schema())
    codes = {section.value for section in Section}
    definitions = report_schema()["$defs"]
    assert set(definitions["sectionCode"]["enum"]) == codes
    assert codes <= set(definitions)


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.stem)
def test_the_fixture_records_fit_the_schema(path: Path):
    definitions = report_schema()["$defs"]
    validators = {
        code: Draft202012Validator({"$ref": f"#/$defs/{code}", "$defs": definitions})
        for code in definitions["sectionCode"]["enum"]
    }
    for record in list(read_records(path))[:400]:
        validators[record.section.value].validate(record.data)


def change(path: str, value: Any) -> Callable[[Any], None]:
    def apply(report: Any) -> None:
        *way, last = [int(p) if p.isdigit() else p for p in path.split(".")]
        for step in way:
            report = report[step]
        if value is None:
            del report[last]
        else:
            report[last] = value

    return apply


@pytest.mark.parametrize(
    ("path", "value", "code"),
    [
        ("subject", fresh_enterprise_id(), DisputeCode.FINGERPRINT_MISMATCH),
        ("orderer", "bank-mino", DisputeCode.FINGERPRINT_MISMATCH),
        ("generatedAt", "1970-01-01T00:00:09.001Z", DisputeCode.FINGERPRINT_MISMATCH),
        ("generatedAt", "1970-13-01T00:00:09.001Z", DisputeCode.FINGERPRINT_MISMATCH),
        ("sections.1.records.0.data.account", "L9", DisputeCode.FINGERPRINT_MISMATCH),
        ("sections.1.records.0.data.class", "fine", DisputeCode.UNREADABLE),
        ("sections.1.records.0.data.class", None, DisputeCode.UNREADABLE),
        ("sections.1.records.0.index", 2, DisputeCode.FINGERPRINT_MISMATCH),
        ("sections.1.records.0.path", [], DisputeCode.FINGERPRINT_MISMATCH),
        ("sections.1.records.0", None, DisputeCode.FINGERPRINT_MISMATCH),
        ("sections.0", None, DisputeCode.FINGERPRINT_MISMATCH),
        ("missing", [], DisputeCode.FINGERPRINT_MISMATCH),
        ("objections", [], DisputeCode.FINGERPRINT_MISMATCH),
        ("batches.0.count", 999, DisputeCode.FINGERPRINT_MISMATCH),
        ("salt", "A" * 22, DisputeCode.FINGERPRINT_MISMATCH),
        ("salt", "A" * 21 + "B", DisputeCode.UNREADABLE),
        ("extra", 1, DisputeCode.UNREADABLE),
        ("schema", "creditchain-report/v2", DisputeCode.UNREADABLE),
    ],
)
def test_a_changed_report_is_refused_with_a_code_to_dispute(
    case: Case, path: str, value: Any, code: DisputeCode
):
    report = json.loads(case.built.plaintext)
    change(path, value)(report)
    with pytest.raises(BadReport) as caught:
        case.read(canonical_json(report))
    assert caught.value.code is code


def line_up(case: Case, report: Any) -> Delivered:
    """What a lying agency would deliver: the fingerprints of the changed report."""
    from creditchain.client.report import section_fingerprint
    from creditchain.events import b64u, unb64u
    from creditchain.events.order import DeliveredSection
    from creditchain.fingerprint import fingerprint

    sections = tuple(
        DeliveredSection(
            Section(part["section"]),
            section_fingerprint(unb64u(part["salt"]), Section(part["section"]), part["records"]),
            tuple(sorted({record["batch"] for record in part["records"]})),
        )
        for part in report["sections"]
    )
    whole = fingerprint(unb64u(report["salt"]), canonical_json(report))
    return Delivered(b64u(whole), sections)


@pytest.mark.parametrize(
    ("path", "value", "problem"),
    [
        ("sections.1.records.0.data.account", "L9", "is not in its batch"),
        ("sections.1.records.0.index", 2, "is not in its batch"),
        ("sections.1.records.0.path", [], "is not in its batch"),
        ("sections.1.records.0.salt", "A" * 22, "is not in its batch"),
        ("sections.1.section", "GUARANTEES", "not the sections that were ordered"),
        ("sections.0", None, "not the sections that were ordered"),
        ("missing", [], "not the sections that were ordered"),
        ("batches.1.count", 999, "the log says otherwise"),
        ("batches.1.root", "A" * 43, "the log says otherwise"),
        ("batches.1.member", "agency-tide", "the log says otherwise"),
        ("batches.1", None, "cites a batch that the report does not list"),
        ("batches.1.batch", fresh_event_id(), "the log has no such batch"),
        ("subject", fresh_enterprise_id(), "ordered was"),
        ("order", fresh_event_id(), "ordered was"),
    ],
)
def test_a_lying_agency_is_seen_through(case: Case, path: str, value: Any, problem: str):
    report = json.loads(case.built.plaintext)
    change(path, value)(report)
    if path.startswith("sections.1.section"):
        for record in report["sections"][1]["records"]:
            record["data"] |= {"exposure": {"amount": 1, "currency": "CNY"}}
    with pytest.raises(BadReport) as caught:
        read_report(canonical_json(report), case.ordered, line_up(case, report), case.batches)
    assert problem in "; ".join(p.text for p in caught.value.problems)
    assert caught.value.opened == line_up(case, report).fingerprint


def test_a_record_of_another_enterprise_is_no_line(case: Case, tmp_path: Path):
    other = Case(tmp_path)
    report = json.loads(other.built.plaintext)
    report["subject"] = fresh_enterprise_id()
    lying = Ordered(**{**other_fields(other.ordered), "subject": report["subject"]})
    with pytest.raises(BadReport, match="is not in its batch"):
        read_report(canonical_json(report), lying, line_up(other, report), other.batches)


def other_fields(value: Ordered) -> dict[str, Any]:
    return {name: getattr(value, name) for name in Ordered.__dataclass_fields__}


def test_what_the_orderer_would_refuse_is_not_built(case: Case, tmp_path: Path):
    bad = Case(tmp_path)
    bad.lines[Section.LOANS] = [
        CitedRecord(Record(SUBJECT, Section.LOANS, LOAN), line.salt, line.batch, line.index, ())
        for line in bad.lines[Section.LOANS]
    ]
    with pytest.raises(BadReport):
        bad.build()


@given(st.data())
def test_no_byte_may_change(case: Case, data: st.DataObject):
    plaintext = bytearray(case.built.plaintext)
    at = data.draw(st.integers(0, len(plaintext) - 1))
    plaintext[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(BadReport):
        case.read(bytes(plaintext))


@given(st.data())
def test_no_prefix_reads(case: Case, data: st.DataObject):
    length = data.draw(st.integers(0, len(case.built.plaintext) - 1))
    with pytest.raises(BadReport):
        case.read(case.built.plaintext[:length])


@pytest.mark.parametrize(
    "plaintext",
    [
        b"null",
        b"[]",
        b"{}",
        b"[" * 100_000,
        b'{"a":' * 400 + b"1" + b"}" * 400,
        b"1.5",
        b"NaN",
        b'{"a":1,"a":1}',
        b'"\\ud800"',
        b"9" * 5_000,
        b" " * (REPORT_BYTES_MAX + 1),
    ],
    ids=lambda data: data[:8].decode(),
)
def test_what_is_no_report_is_unreadable(plaintext: bytes):
    with pytest.raises(BadReport) as caught:
        parse_report(plaintext)
    assert caught.value.code is DisputeCode.UNREADABLE


def test_a_report_in_another_spelling_is_unreadable(case: Case):
    value = json.loads(case.built.plaintext)
    with pytest.raises(BadReport, match="canonical"):
        case.read(json.dumps(value, ensure_ascii=False).encode())


def test_deep_nesting_in_a_line_is_unreadable(case: Case):
    value = copy.deepcopy(json.loads(case.built.plaintext))
    deep: Any = 1
    for _ in range(300):
        deep = [deep]
    value["sections"][1]["records"][0]["data"]["deep"] = deep
    with pytest.raises(BadReport):
        case.read(canonical_json(value))
