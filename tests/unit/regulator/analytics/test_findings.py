"""The view of findings: which are shown, against whom, and how far they have come."""

from __future__ import annotations

from pathlib import Path

from creditchain.events.codes import Severity
from regulator.analytics.session import open_session
from regulator.audit import AuditFinding
from regulator.audit.finding import Cited
from regulator.audit_store import AUDIT_NAME, AuditStore
from regulator.database import open_database
from regulator.finding import Finding, FindingCode
from tests.unit.regulator.analytics.copies import Row, rows_of_story, write_copy

PACK = "delta@2"


def audited(index: int, rows: list[Row], pack: str = PACK, code: str = "C04") -> AuditFinding:
    cited = (Cited(index, "A" * 43),)
    return AuditFinding(
        code, Severity.MEDIUM, pack, index, rows[index].at, "hana", None, cited, {"n": 2}
    )


def audit(folder: Path, size: int, *findings: AuditFinding) -> None:
    store = AuditStore(folder / AUDIT_NAME)
    store.begin_again(b"pack", PACK)
    with store.transaction():
        store.save(size, 0, 0, findings)
    store.close()


def hold(folder: Path, finding: Finding, size: int) -> None:
    """The observer has found this when its copy had `size` entries."""
    with open_database(folder / "observer.db") as engine, engine.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO finding (digest, code, idx, detail, evidence, certain, found_at, size) "
            "VALUES (?, ?, ?, ?, ?, ?, 0, ?)",
            (
                finding.digest,
                finding.code.value,
                finding.index,
                finding.detail,
                finding.evidence_json,
                finding.certain,
                size,
            ),
        )


def test_only_findings_of_one_rule_pack_are_shown(tmp_path: Path) -> None:
    rows, _ = rows_of_story("consortium")
    folder = write_copy(tmp_path / "observer", rows)
    old, new = audited(3, rows, "delta@1", "C01"), audited(4, rows)
    audit(folder, len(rows), old, new)
    for pack, code in ((None, "C04"), (PACK, "C04"), ("delta@1", "C01")):
        with open_session(folder, pack=pack) as session:
            assert session.rows("SELECT code FROM findings") == [(code,)]
    with open_session(folder, pack="other@1") as session:
        assert session.rows("SELECT code FROM findings") == []


def test_a_finding_is_told_with_its_entries_and_facts(tmp_path: Path) -> None:
    rows, _ = rows_of_story("consortium")
    folder = write_copy(tmp_path / "observer", rows)
    found = audited(4, rows)
    audit(folder, len(rows), found)
    with open_session(folder) as session:
        told = session.one(
            "SELECT finding, origin, severity, pack, idx, epoch_ms(found_at), member, entries, "
            "detail, state, late FROM findings"
        )
    assert told == (
        found.id, "AUDIT", "MEDIUM", PACK, 4, rows[4].at, "hana", [4], '{"n": 2}', "OPEN", False
    )  # fmt: skip


def test_findings_about_entries_beyond_the_size_are_not_shown(tmp_path: Path) -> None:
    rows, _ = rows_of_story("consortium")
    folder = write_copy(tmp_path / "observer", rows)
    audit(folder, len(rows), audited(4, rows))
    hold(folder, Finding(FindingCode.LAW_BROKEN, 6, "NOT_YOURS"), len(rows))
    hold(folder, Finding(FindingCode.FORK, None, "two trees"), 3)
    for size, codes in ((7, ["C04", "FORK", "LAW_BROKEN"]), (5, ["C04", "FORK"]), (2, [])):
        with open_session(folder, size=size) as session:
            told = session.rows("SELECT code FROM findings ORDER BY code")
            assert [row[0] for row in told] == codes
    with open_session(folder) as session:
        (found_at,) = session.one("SELECT epoch_ms(found_at) FROM findings WHERE code = 'FORK'")
    assert found_at == rows[2].at


def test_what_is_about_the_observer_itself_is_apart(tmp_path: Path) -> None:
    rows, _ = rows_of_story("consortium")
    folder = write_copy(tmp_path / "observer", rows)
    hold(folder, Finding(FindingCode.COPY_DAMAGED, 2, "entry"), len(rows))
    hold(folder, Finding(FindingCode.BODY_ALTERED, 3, "body"), len(rows))
    hold(folder, Finding(FindingCode.OBSERVER_LAG, None, "late"), len(rows))
    with open_session(folder) as session:
        assert session.rows("SELECT code, origin, severity FROM findings ORDER BY code") == [
            ("BODY_ALTERED", "INTEGRITY", "HIGH"),
            ("COPY_DAMAGED", "OBSERVER", "HIGH"),
            ("OBSERVER_LAG", "OBSERVER", "MEDIUM"),
        ]


def test_one_finding_asked_of_two_members_is_followed_for_each(tmp_path: Path) -> None:
    rows, _ = rows_of_story("findings")
    folder = write_copy(tmp_path / "observer", rows)
    with open_session(folder) as session:
        told = session.rows("SELECT finding, member, state, origin FROM findings ORDER BY ALL")
    assert len({row[0] for row in told}) < len(told)
    assert {row[3] for row in told} == {"LOG"}
    assert {("hana", "CLOSED"), ("pearl", "CLOSED")} <= {(row[1], row[2]) for row in told}
