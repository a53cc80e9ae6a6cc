"""L2, L5, L6, L7, L8 and L10 over stories of which we know the answer."""

from __future__ import annotations

from pathlib import Path

import pytest

from creditchain.events.codes import Severity
from fixtures.stories.story import read_story
from regulator.audit import AuditFinding
from regulator.audit.finding import Cited
from regulator.report.contents.scorecard import PARTS, part_of
from regulator.report.model import ReportCode
from tests.unit.regulator.analytics.copies import Row, erase_bodies
from tests.unit.regulator.report.contents.world import PACK, figures, make, play, table, write

BUSINESS = """include consortium
    of_lin ConsentRequested c1 terms.usesMax=9               -> ok
    en_acme ConsentGranted consent=c1                        -> ok
    of_lin OrderPlaced o1 consent=c1                         -> ok
    of_pei OrderAccepted order=o1                            -> ok
    +1h of_pei ReportDelivered order=o1                      -> ok
    of_lin DeliveryAcknowledged order=o1                     -> ok
    of_lin CreditDecided order=o1                            -> ok
    of_lin OrderPlaced o2 consent=c1                         -> ok
    of_pei OrderAccepted order=o2                            -> ok
    of_pei ReportDelivered order=o2 outcome=NOT_FOUND sections=- report.fingerprint=- report.ciphertext=- report.size=- report.mediaType=- report.schema=-  -> ok
    of_lin DeliveryAcknowledged order=o2 fingerprint=-       -> ok
    of_lin OrderPlaced o3 consent=c1                         -> ok
    of_pei OrderAccepted order=o3                            -> ok
    of_pei ReportDelivered order=o3                          -> ok
    +40d of_cai OrderPlaced o4 sealTo=court#0:seal ground.code=COURT ground.document=writ  -> ok
    of_cui OrderApproved order=o4                            -> ok
    of_pei OrderDeclined order=o4                            -> ok
"""  # noqa: E501  one line for each event


def finding(
    rows: list[Row],
    index: int,
    code: str = "C01",
    severity: Severity = Severity.HIGH,
    *,
    member: str = "hana",
    certain: bool = True,
) -> AuditFinding:
    cited = (Cited(index, "A" * 43),)
    return AuditFinding(
        code, severity, PACK, index, rows[index].at, member, None, cited, {"n": 1}, certain
    )


def test_the_register_has_every_query_with_its_authority(tmp_path: Path) -> None:
    rows = play(BUSINESS)
    report = make(write(tmp_path, rows), ReportCode.QUERY_REGISTER)
    first, second, third, fourth = table(report, "queries")
    assert (first["institution"], first["found"], first["cost"], first["currency"]) == (
        "hana", "yes", 2000, "CNY"
    )  # fmt: skip
    assert first["consent"] is not None
    assert first["ground"] is None
    assert (second["found"], second["cost"]) == ("no", None)
    assert (third["found"], third["cost"]) == ("yes", None)
    assert (fourth["consent"], fourth["ground"], fourth["found"]) == (None, "court", None)
    assert fourth["approver"] is not None
    for row in (first, second, third, fourth):
        assert rows[int(str(row["entry"]))].event == row["order_id"]
        assert row["authorised_at"] is not None


def test_an_erased_order_is_in_time_or_late_for_nobody(tmp_path: Path) -> None:
    rows = play(BUSINESS)
    folder = write(tmp_path, rows)
    placed = [index for index, row in enumerate(rows) if row.type == "OrderPlaced"]
    erase_bodies(folder, placed[:1], None)
    known, erased = table(make(folder, ReportCode.SERVICE_LEVELS), "levels")
    assert (known["product"], known["orders"], known["in_time"]) == ("pearl/basic", 3, 10_000)
    assert (erased["product"], erased["delivered"], erased["in_time"]) == (None, 1, None)
    daily = table(make(folder, ReportCode.DAILY_SUMMARY), "institutions")
    (unknown,) = [row for row in daily if row["member"] is None]
    assert (unknown["orders"], unknown["other_purpose"], unknown["cross_region"]) == (1, None, None)


def test_only_acknowledged_deliveries_are_billed_and_breaks_grow_old(tmp_path: Path) -> None:
    report = make(write(tmp_path, play(BUSINESS)), ReportCode.BILLING)
    (account,) = table(report, "accounts")
    assert (account["orderer"], account["agency"], account["price"]) == ("hana", "pearl", 2000)
    assert (account["billed"], account["amount"], account["not_found"]) == (1, 2000, 1)
    (broken,) = table(report, "breaks")
    assert (broken["reason"], broken["price"]) == ("not acknowledged", 2000)
    (age,) = table(report, "ages")
    assert (age["month"], age["quarter"]) == (0, 1)
    assert figures(report)["amount_cny"] == 2000


def test_a_delivery_opened_otherwise_or_made_twice_is_a_break(tmp_path: Path) -> None:
    text = """include consortium
    of_lin ConsentRequested c1                                       -> ok
    en_acme ConsentGranted consent=c1                                -> ok
    of_lin OrderPlaced o1 consent=c1                                 -> ok
    of_pei OrderAccepted order=o1                                    -> ok
    of_pei ReportDelivered order=o1                                  -> ok
    of_lin DeliveryAcknowledged x1 order=o1 fingerprint=another      -> ok
    of_lin OrderPlaced o2 consent=c1                                 -> ok
    of_pei OrderAccepted order=o2                                    -> ok
    of_pei ReportDelivered order=o2                                  -> ok
    of_pei ReportDelivered x2 order=o2                               -> ok
    of_lin DeliveryAcknowledged order=o2                             -> ok
"""
    report = make(write(tmp_path, play(text, "x1", "x2")), ReportCode.BILLING)
    assert [row["reason"] for row in table(report, "breaks")] == [
        "other fingerprint opened",
        "delivered twice",
    ]
    (account,) = table(report, "accounts")
    assert (account["billed"], account["amount"]) == (1, 2000)


@pytest.mark.parametrize(("wait", "overdue", "days"), [("+19d", "no", 19), ("+21d", "yes", 21)])
def test_an_objection_is_overdue_after_twenty_days(
    wait: str, overdue: str, days: int, tmp_path: Path
) -> None:
    text = f"""include consortium
    en_acme ObjectionRaised j1                        -> ok
    {wait} of_pei ObjectionAnswered objection=j1      -> ok
"""
    report = make(write(tmp_path, play(text)), ReportCode.DISPUTE_LEDGER)
    (row,) = table(report, "objections")
    assert (row["days"], row["overdue"], row["outcome"]) == (days, overdue, "data wrong")


def test_an_open_objection_ages_with_the_log(tmp_path: Path) -> None:
    text = """include consortium
    en_acme ObjectionRaised j1                        -> ok
    +25d hana OfficerAppointed officer=of_new roles=APPROVE -> ok
"""
    report = make(write(tmp_path, play(text)), ReportCode.DISPUTE_LEDGER)
    (row,) = table(report, "objections")
    assert (row["days"], row["overdue"], row["answered_at"]) == (25, "yes", None)
    assert figures(report)["overdue"] == 1


def test_points_are_taken_as_the_formula_says(tmp_path: Path) -> None:
    rows = play(BUSINESS)
    held = [
        *(finding(rows, index) for index in range(20, 29)),  # C01, HIGH, nine times: at most 60
        finding(rows, 30, "U02", Severity.MEDIUM),
        finding(rows, 31, "U03", Severity.LOW),
        finding(rows, 32, "M03", Severity.HIGH, certain=False),
        finding(rows, 33, "D01", Severity.LOW, member="pearl"),
    ]
    report = make(write(tmp_path, rows, findings=held), ReportCode.MEMBER_SCORECARD)
    scores = {row["member"]: row for row in table(report, "scores")}
    assert [scores["hana"][part.id] for part in PARTS] == [96, 99, 40, 100, 100]
    assert scores["hana"]["total"] == 15 * 96 + 20 * 99 + 35 * 40 + 15 * 100 + 15 * 100
    assert scores["hana"]["grade"] == "B"
    assert scores["pearl"]["compliance"] == 99
    taken = [row for row in table(report, "deductions") if row["member"] == "hana"]
    assert {(row["rule"], row["points"], row["times"]) for row in taken} == {
        ("C01", 60, 9),
        ("U02", 4, 1),
        ("U03", 1, 1),
    }
    assert next(row for row in taken if row["rule"] == "U02")["entries"] == "30"


def test_every_rule_has_its_part() -> None:
    assert PARTS[part_of("U01")].id == "internal_control"
    assert PARTS[part_of("C01")].id == PARTS[part_of("NEW9")].id == "compliance"
    assert sum(part.weight for part in PARTS) == 100


def test_the_finding_register_follows_the_log(tmp_path: Path) -> None:
    rows = play(read_story("findings"))
    held = [finding(rows, 5), finding(rows, 6, "D02", Severity.LOW, member="tide", certain=False)]
    report = make(write(tmp_path, rows, findings=held), ReportCode.FINDING_REGISTER)
    register = table(report, "findings")
    assert [row["finding"] for row in register if row["origin"] == "AUDIT"] == []
    found = {row["finding"]: row for row in register}
    assert {found[one.id]["state"] for one in held} == {"open"}
    assert {found[one.id]["pack"] for one in held} == {PACK}
    asked = [row for row in register if row["origin"] == "asked on the log"]
    assert {row["state"] for row in asked} == {"asked", "closed"}
    assert figures(report)["findings"] == len(register)
    assert figures(report)["doubtful"] == 1
    kinds = {row["code"]: row for row in table(report, "rules")}
    assert (kinds["D02"]["what"], kinds["D02"]["not_closed"]) == (
        "Accepted order not delivered in time", 1
    )  # fmt: skip
    only = make(tmp_path / "observer", ReportCode.FINDING_REGISTER, member="tide")
    assert [row["finding"] for row in table(only, "findings")] == [held[1].id]


def test_the_dossier_tells_the_case_its_looks_and_the_members_findings(tmp_path: Path) -> None:
    rows = play(read_story("inspections"))
    placed = next(index for index, row in enumerate(rows) if row.type == "OfficerAppointed")
    held = [finding(rows, placed), finding(rows, placed, member="pearl")]
    folder = write(tmp_path, rows, findings=held)
    case = next(row.event for row in rows if row.type == "CaseOpened")
    assert case is not None
    report = make(folder, ReportCode.INSPECTION_DOSSIER, case=case)
    facts = {row["fact"]: row["value"] for row in table(report, "facts")}
    assert facts["Member"] == "hana"
    looks = table(report, "looks")
    assert len(looks) == 2
    assert {row["in_open_case"] for row in looks} == {"yes"}
    assert [row["finding"] for row in table(report, "findings")] == [held[0].id]
    assert [row["entry"] for row in table(report, "entries")] == [placed]
    assert table(report, "officers")
