"""The directory: names and codes that can be found, are recorded when read, and can be erased."""

import random
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from stdnum.cn import uscc as stdnum_uscc

from creditchain.client.fresh import fresh_enterprise_id, fresh_officer_id, fresh_salt
from creditchain.directory import (
    BadRow,
    Directory,
    EnterpriseRow,
    IdentityMismatch,
    OfficerRow,
    Reader,
    StatementRow,
    UsccTaken,
    What,
    check_uscc,
)
from creditchain.events import b64u, canonical_json, unb64u
from creditchain.fingerprint import fingerprint
from creditchain.private_store import open_private_store, reading
from creditchain.private_store.tables import DIRECTORY, ROW_KEY
from tests.unit.private_store.test_private_store import read_folder

AT = 1_800_000_000_000
BANK = Reader("of_AAAAAAAAAAAAAAAAAAAAAA", "bank-hana")
GOOD = "91110000600037341L"


def make_uscc(number: int) -> str:
    """A code with a right check digit in a region that is not assigned."""
    stem = f"91990000{number:09d}"
    return stem + stdnum_uscc.calc_check_digit(stem)


def make_row(number: int, name: str = "嘉应恒信贸易有限公司") -> EnterpriseRow:
    return EnterpriseRow(name, make_uscc(number), fresh_salt())


@pytest.fixture
def directory(tmp_path: Path):
    engine = open_private_store(tmp_path / "private.db")
    yield Directory(engine)
    engine.dispose()


def enrol(directory: Directory, row: EnterpriseRow) -> str:
    subject = fresh_enterprise_id()
    directory.put_enterprise(subject, row, row.identity(), AT)
    assert directory.confirm(subject, row.identity())
    return subject


def test_an_identity_is_the_salted_fingerprint_of_the_canonical_row():
    row = make_row(1)
    content = canonical_json({"name": row.name, "uscc": row.uscc})
    assert row.identity() == b64u(fingerprint(unb64u(row.salt), content))
    officer = OfficerRow("陈静", row.salt)
    assert officer.identity() == b64u(
        fingerprint(unb64u(row.salt), canonical_json({"name": "陈静"}))
    )


def test_a_confirmed_row_is_read_out_and_found_by_its_code(directory: Directory):
    row = make_row(1)
    subject = enrol(directory, row)
    enrol(directory, make_row(2))
    assert directory.enterprises([subject, "en_unknown", subject], BANK, AT) == {subject: row}
    assert directory.find_by_uscc(row.uscc) == subject
    assert directory.find_by_uscc(make_uscc(3)) is None
    assert directory.has_row(subject)


def test_officers_and_statements_are_kept_too(directory: Directory):
    officer = OfficerRow("陈静", fresh_salt())
    subject = fresh_officer_id()
    directory.put_officer(subject, officer, officer.identity(), AT)
    words = StatementRow("The amount is wrong.\n金额有误。", fresh_salt())
    event = "019a0000-0000-7000-8000-000000000000"
    directory.put_statement(event, words, words.identity(), AT)
    directory.confirm(subject, officer.identity())
    directory.confirm(event, words.identity())
    assert directory.officers([subject], BANK, AT) == {subject: officer}
    assert directory.statements([event], BANK, AT) == {event: words}
    assert directory.enterprises([subject, event], BANK, AT) == {}


def test_a_staged_row_is_not_read_out(directory: Directory):
    row = make_row(1)
    subject = fresh_enterprise_id()
    directory.put_enterprise(subject, row, row.identity(), AT)
    assert directory.enterprises([subject], BANK, AT) == {}
    assert directory.find_by_uscc(row.uscc) is None
    assert not directory.has_row(subject)
    assert [s.id for _, s in directory.staged(0)] == [subject]
    assert directory.accesses(limit=10) == []


def test_a_refused_row_is_discarded_and_frees_its_code(directory: Directory):
    row = make_row(1)
    subject = fresh_enterprise_id()
    directory.put_enterprise(subject, row, row.identity(), AT)
    assert directory.discard(subject, row.identity())
    assert not directory.discard(subject, row.identity())
    assert not directory.confirm(subject, row.identity())
    enrol(directory, make_row(1))


def test_a_confirmed_row_is_never_discarded_nor_replaced(directory: Directory):
    row = make_row(1)
    subject = enrol(directory, row)
    other = make_row(2)
    directory.put_enterprise(subject, other, other.identity(), AT)
    assert not directory.discard(subject, row.identity())
    assert directory.enterprises([subject], BANK, AT) == {subject: row}
    assert directory.discard(subject, other.identity())


def test_a_row_that_is_not_the_event_s_is_refused(directory: Directory):
    row = make_row(1)
    with pytest.raises(IdentityMismatch):
        directory.put_enterprise(fresh_enterprise_id(), row, make_row(2).identity(), AT)
    assert directory.staged(0) == []


def test_one_code_is_one_enterprise(directory: Directory):
    subject = enrol(directory, make_row(1))
    row = make_row(1, "another name")
    with pytest.raises(UsccTaken):
        directory.put_enterprise(fresh_enterprise_id(), row, row.identity(), AT)
    again = make_row(1)
    directory.put_enterprise(subject, again, again.identity(), AT)


def test_a_code_with_a_good_spelling_passes():
    check_uscc(GOOD)


@pytest.mark.parametrize(
    "code",
    ["91110000600037341l", "９１１１００００６０００３７３４１Ｌ", " 91110000600037341L",
     "91110000 60003734 1L", "911100-00600037341L", "91110000600037341Ｌ", "91110000600037341L\n"],
)  # fmt: skip
def test_another_spelling_is_refused_and_the_right_one_shown(code: str):
    with pytest.raises(BadRow, match=f"write it as {GOOD}") as caught:
        check_uscc(code)
    assert caught.value.field == "uscc"


@pytest.mark.parametrize("at", range(8, 18))
def test_a_mistyped_code_is_refused(at: int):
    wrong = "2" if GOOD[at] != "2" else "3"
    with pytest.raises(BadRow, match="check digit"):
        check_uscc(GOOD[:at] + wrong + GOOD[at + 1 :])


@pytest.mark.parametrize(
    "code", ["", "1", GOOD[:-1], GOOD + "1", "I" * 18, "9" * 10_000, "九" * 18, "\0" * 18, "²" * 18]
)
def test_what_is_no_code_is_refused(code: str):
    with pytest.raises(BadRow, match="uscc"):
        check_uscc(code)


@pytest.mark.parametrize("name", ["", " a", "a\nb", "x" * 121, "\ud800"])
def test_a_name_that_cannot_be_shown_is_refused(directory: Directory, name: str):
    row = EnterpriseRow(name, GOOD, fresh_salt())
    with pytest.raises(BadRow, match="name"):
        directory.put_enterprise(fresh_enterprise_id(), row, "i", AT)


@pytest.mark.parametrize("salt", ["", "AAAA", "!" * 22, "A" * 43, "AAAAAAAAAAAAAAAAAAAAAB"])
def test_a_salt_has_sixteen_bytes(directory: Directory, salt: str):
    with pytest.raises(BadRow, match="salt"):
        directory.put_officer(fresh_officer_id(), OfficerRow("a", salt), "i", AT)


@pytest.mark.parametrize("text", ["", " \n", "x" * 4_001, "a\0b", "\udfff"])
def test_a_statement_that_cannot_be_shown_is_refused(directory: Directory, text: str):
    with pytest.raises(BadRow, match="text"):
        directory.put_statement("e", StatementRow(text, fresh_salt()), "i", AT)


def test_each_look_is_recorded_for_the_subject_and_the_reader(directory: Directory):
    one, two = enrol(directory, make_row(1)), enrol(directory, make_row(2))
    directory.enterprises([one, two], BANK, AT, order="o1")
    directory.record_access(Reader("regulator", "regulator"), What.REPORT, one, AT + 5, "o1")
    looks = directory.accesses_of(one, limit=10)
    assert [(a.at, a.actor, a.member, a.what, a.subject, a.order) for a in looks] == [
        (AT, BANK.actor, "bank-hana", What.DIRECTORY, one, "o1"),
        (AT + 5, "regulator", "regulator", What.REPORT, one, "o1"),
    ]
    assert [a.subject for a in directory.accesses_by_member("bank-hana", limit=10)] == [one, two]
    assert directory.accesses_by_member("bank-lin", limit=10) == []


def test_looks_in_a_case_can_be_left_out_until_they_are_told(directory: Directory):
    one = enrol(directory, make_row(1))
    in_case = Reader("of_inspector", "regulator", "case")
    directory.enterprises([one], BANK, AT)
    directory.enterprises([one], in_case, AT + 1)
    directory.enterprises([one], replace(in_case, case="another"), AT + 2)
    assert sorted(directory.cases_of(one)) == ["another", "case"]
    assert directory.cases_of("somebody else") == []
    assert [a.case for a in directory.accesses_of(one, limit=10)] == [None, "case", "another"]
    told = directory.accesses_of(one, limit=10, not_in=("case",))
    assert [a.case for a in told] == [None, "another"]


def test_an_enterprise_reading_its_own_row_is_no_look(directory: Directory):
    row = make_row(1)
    subject = enrol(directory, row)
    assert directory.enterprises([subject], Reader(subject, None), AT) == {subject: row}
    assert directory.accesses(limit=10) == []


def test_a_poll_is_one_look_and_each_fetched_report_is_one(directory: Directory):
    subject = enrol(directory, make_row(1))
    for after_ms in (0, 10_000, 59_999):
        directory.enterprises([subject], BANK, AT + after_ms)
    assert len(directory.accesses(limit=10)) == 1
    directory.enterprises([subject], BANK, AT + 59_999 + 60_000)
    directory.enterprises([subject], BANK, AT + 120_000, order="o1")
    directory.enterprises([subject], Reader("of_other", "bank-hana"), AT + 120_000)
    assert len(directory.accesses(limit=10)) == 4
    for _ in range(2):
        directory.record_access(BANK, What.REPORT, subject, AT)
    assert len(directory.accesses(limit=10)) == 6


def test_accesses_are_paged_in_both_directions_without_a_gap(directory: Directory):
    for number in range(7):
        directory.record_access(BANK, What.BODY, "en_x", AT + number)
    for newest_first in (False, True):
        seen, after = [], None
        while page := directory.accesses_of(
            "en_x", after=after, limit=3, newest_first=newest_first
        ):
            seen += [a.at - AT for a in page]
            after = page[-1].seq
        assert seen == sorted(range(7), reverse=newest_first)


def test_an_erased_row_stays_erased(directory: Directory):
    row = make_row(1)
    subject = enrol(directory, row)
    directory.enterprises([subject], BANK, AT)
    assert directory.erase(subject, AT + 1)
    assert not directory.erase(subject, AT + 2)
    assert directory.enterprises([subject], BANK, AT) == {}
    assert directory.find_by_uscc(row.uscc) is None
    assert not directory.has_row(subject)
    directory.put_enterprise(subject, row, row.identity(), AT)
    directory.confirm(subject, row.identity())
    other = make_row(2)
    directory.put_enterprise(subject, other, other.identity(), AT)
    assert directory.enterprises([subject], BANK, AT) == {}
    assert directory.staged(0) == []
    assert len(directory.accesses_of(subject, limit=10)) == 1


def test_many_rows_are_read_at_once(directory: Directory):
    ids = [enrol(directory, make_row(n)) for n in range(20)]
    wanted = [*ids, *(f"en_{n}" for n in range(1_200))]
    assert set(directory.enterprises(wanted, BANK, AT)) == set(ids)


@settings(max_examples=8, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**32), count=st.integers(2, 20))
def test_an_erased_name_is_in_no_file(
    tmp_path_factory: pytest.TempPathFactory, seed: int, count: int
):
    chance = random.Random(seed)
    folder = tmp_path_factory.mktemp("store")
    engine = open_private_store(folder / "private.db")
    directory = Directory(engine)
    rows = {}
    for number in range(count):
        row = make_row(number, f"企业 {chance.getrandbits(80):x} 有限公司")
        rows[enrol(directory, row)] = row
    with reading(engine) as connection:
        query = select(DIRECTORY.c.id, DIRECTORY.c.content, ROW_KEY.c.key).join(ROW_KEY)
        stored = {found.id: (found.key, found.content) for found in connection.execute(query)}
    gone = chance.sample(sorted(rows), count // 2)
    for subject in gone:
        directory.erase(subject, AT)
    kept = {subject: row for subject, row in rows.items() if subject not in gone}
    for _ in ("while it is open", "after it was closed"):
        left = read_folder(folder)
        for subject in gone:
            row = rows[subject]
            texts = (row.name.encode(), row.uscc.encode(), row.salt.encode())
            assert [part for part in (*texts, *stored[subject]) if part in left] == []
        assert directory.enterprises(kept, BANK, AT) == kept
        engine.dispose()
    engine.dispose()
