"""Record files and the record store: one root for many records, a path for each."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from creditchain.client.fresh import fresh_enterprise_id
from creditchain.client.local_store import BadStore
from creditchain.client.record_store import CHUNK, RecordStore
from creditchain.client.records import (
    RECORD_BYTES_MAX,
    BadRecords,
    Record,
    check_record,
    leaf_of,
    read_records,
)
from creditchain.events import MalformedEvent, canonical_json, format_fields, parse_json
from creditchain.events.codes import Section
from creditchain.tlog.merkle import Frontier
from creditchain.tlog.proof import BadProof

SUBJECTS = [fresh_enterprise_id() for _ in range(5)]


def loans(count: int) -> list[Record]:
    return [
        Record(
            SUBJECTS[n % 5], [Section.LOANS, Section.IDENTITY][n % 2], {"account": n, "name": "名"}
        )
        for n in range(count)
    ]


def store_of(tmp_path: Path) -> RecordStore:
    return RecordStore(tmp_path / "records.db")


@pytest.mark.parametrize("count", [1, 2, 255, 256, 257, CHUNK + 3])
def test_every_record_has_a_path_to_the_committed_root(count: int, tmp_path: Path):
    store, records = store_of(tmp_path), loans(count)
    batch = store.add(records, as_of=7)
    store.mark_committed(batch.id, 3)
    held = {
        held.index: held
        for subject in SUBJECTS
        for section in (Section.LOANS, Section.IDENTITY)
        for held in store.find(subject, section)
    }
    assert sorted(held) == list(range(count))
    leaves = [leaf_of(record.content, held[n].salt) for n, record in enumerate(records)]
    assert Frontier.empty().extend(leaves).root() == batch.root
    for n, path in zip(held, store.prove(batch, list(held)), strict=True):
        check_record(records[n].content, held[n].salt, n, count, path, batch.root)


def test_a_changed_record_salt_index_or_path_does_not_check(tmp_path: Path):
    store, records = store_of(tmp_path), loans(9)
    batch = store.add(records, as_of=7)
    store.mark_committed(batch.id, 3)
    record = records[4]
    (held,) = (h for h in store.find(record.subject, record.section) if h.index == 4)
    (path,) = store.prove(batch, [4])
    good = (record.content, held.salt, 4, 9, path, batch.root)
    check_record(*good)
    other = bytes(16)
    lies: list[tuple[Any, ...]] = [
        (records[5].content, *good[1:]),
        (good[0], other, *good[2:]),
        (*good[:2], 5, *good[3:]),
        (*good[:3], 8, *good[4:]),
        (*good[:4], path[1:], batch.root),
        (*good[:4], (bytes(32), *path[1:]), batch.root),
        (*good[:5], bytes(32)),
    ]
    for lie in lies:
        with pytest.raises(BadProof):
            check_record(*lie)


def test_the_event_says_what_was_committed(tmp_path: Path):
    batch = store_of(tmp_path).add(loans(4), as_of=1_000)
    said = format_fields(batch.event())
    assert said["count"] == 4
    assert said["sections"] == ["IDENTITY", "LOANS"]
    assert said["asOf"] == "1970-01-01T00:00:01.000Z"


def test_only_batches_that_count_are_cited_newest_first(tmp_path: Path):
    store = store_of(tmp_path)
    first, second, third = (store.add(loans(1), as_of=n) for n in range(3))
    assert store.find(SUBJECTS[0], Section.LOANS) == []
    store.mark_committed(first.id, 1)
    store.mark_committed(second.id, 2)
    assert [h.batch for h in store.find(SUBJECTS[0], Section.LOANS)] == [second.id, first.id]
    store.mark_superseded(second.id)
    assert [h.batch for h in store.find(SUBJECTS[0], Section.LOANS)] == [first.id]
    assert [b.id for b in store.batches()] == [first.id, second.id, third.id]


def test_a_batch_is_kept_with_what_was_sent_across_openings(tmp_path: Path):
    source = hashlib.sha256(b"file").digest()
    store = store_of(tmp_path)
    batch = store.add(loans(3), as_of=7, source=source)
    store.keep_body(batch.id, b"sealed")
    store.close()
    again = store_of(tmp_path).find_source(source)
    assert again is not None
    assert (again.id, again.root, again.body, again.index) == (
        batch.id,
        batch.root,
        b"sealed",
        None,
    )


def test_a_file_that_ends_badly_commits_nothing(tmp_path: Path):
    store = store_of(tmp_path)
    path = tmp_path / "records.jsonl"
    lines = [json.dumps(record.to_json()) for record in loans(CHUNK + 10)]
    path.write_text("\n".join([*lines, "{}"]))
    with pytest.raises(BadRecords, match=f"line {CHUNK + 11}: a record has the fields"):
        store.add(read_records(path), as_of=7)
    assert store.batches() == []


def test_a_batch_of_nothing_is_refused(tmp_path: Path):
    with pytest.raises(BadRecords, match="no record"):
        store_of(tmp_path).add([], as_of=7)


def test_a_batch_over_the_limit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("creditchain.client.record_store.RECORDS_MAX", 10)
    with pytest.raises(BadRecords, match="more than 10 records"):
        store_of(tmp_path).add(loans(11), as_of=7)


def test_an_overlong_record_is_refused(tmp_path: Path):
    record = Record(SUBJECTS[0], Section.LOANS, {"text": "x" * RECORD_BYTES_MAX})
    with pytest.raises(BadRecords, match="record 0: more than"):
        store_of(tmp_path).add([record], as_of=7)


def test_json_lines_are_read_with_blank_lines_and_progress(tmp_path: Path):
    path = tmp_path / "records.jsonl"
    records = loans(3)
    path.write_text("\n\n".join(json.dumps(record.to_json()) for record in records) + "\r\n")
    seen: list[int] = []
    assert list(read_records(path, seen.append)) == records
    assert seen[-1] == path.stat().st_size


def test_csv_is_read_with_fields_in_columns(tmp_path: Path):
    path = tmp_path / "records.CSV"
    path.write_bytes(
        "\ufeffsection,subject,court,cause\r\n"
        f'CIVIL_JUDGMENTS,{SUBJECTS[0]},"Delta ""Online"" Court,\nsecond line",\r\n'
        f"CIVIL_JUDGMENTS,{SUBJECTS[1]},中院,loan\r\n\r\n".encode()
    )
    assert list(read_records(path)) == [
        Record(
            SUBJECTS[0], Section.CIVIL_JUDGMENTS, {"court": 'Delta "Online" Court,\nsecond line'}
        ),
        Record(SUBJECTS[1], Section.CIVIL_JUDGMENTS, {"court": "中院", "cause": "loan"}),
    ]


def test_csv_is_read_with_data_in_one_column(tmp_path: Path):
    path = tmp_path / "records.csv"
    path.write_text(f'subject,section,data\n{SUBJECTS[0]},LOANS,"{{""balance"": 7}}"\n')
    assert list(read_records(path)) == [Record(SUBJECTS[0], Section.LOANS, {"balance": 7})]


SUBJECT = SUBJECTS[0]


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("a.jsonl", b"{", "line 1: not JSON"),
        ("a.jsonl", b"\xff", "line 1: not JSON"),
        ("a.jsonl", b"7", "line 1: a record has the fields"),
        ("a.jsonl", b"[" * 4_000, "line 1: "),
        ("a.jsonl", f'{{"subject":"{SUBJECT}","section":"LOANS"}}', "has the fields"),
        ("a.jsonl", f'{{"subject":"{SUBJECT}","section":"LOAN","data":{{"a":1}}}}', "section"),
        ("a.jsonl", f'{{"subject":"{SUBJECT}","section":[],"data":{{"a":1}}}}', "section"),
        ("a.jsonl", '{"subject":"en_x","section":"LOANS","data":{"a":1}}', "EnterpriseId"),
        ("a.jsonl", f'{{"subject":"{SUBJECT}","section":"LOANS","data":{{}}}}', "data"),
        ("a.jsonl", f'{{"subject":"{SUBJECT}","section":"LOANS","data":{{"a":1.5}}}}', "integer"),
        ("a.jsonl", f'{{"subject":"{SUBJECT}","section":"LOANS","data":{{"a":null}}}}', "null"),
        ("a.jsonl", f'{{"subject":"{SUBJECT}","section":"LOANS","data":{{"a":NaN}}}}', "integer"),
        ("a.jsonl", f'{{"subject":"{SUBJECT}","section":"LOANS","data":{{"名":1}}}}', None),
        (
            "a.jsonl",
            f'{{"subject":"{SUBJECT}","section":"LOANS","data":{{"a":1,"a":1}}}}',
            "twice",
        ),
        (
            "a.jsonl",
            f'{{"subject":"{SUBJECT}","section":"LOANS","data":{{"a":"\\ud800"}}}}',
            "surrogate",
        ),
        (
            "a.jsonl",
            f'{{"subject":"{SUBJECT}","section":"LOANS","data":{{"a":9007199254740992}}}}',
            "2\\^53",
        ),
        ("a.jsonl", b"x" * (2 * RECORD_BYTES_MAX), "longer than a record"),
        ("a.csv", b"", "line 1: the header names"),
        ("a.csv", b"subject,data\n", "line 1: the header names"),
        ("a.csv", b"subject,section,a,a\n", "line 1: the header names"),
        ("a.csv", b"subject,section,data,a\n", "beside a data column"),
        ("a.csv", f"subject,section,a\n{SUBJECT},LOANS\n", "line 2: 2 cells under 3"),
        ("a.csv", f"subject,section,a\n{SUBJECT},LOANS,\n", "line 2: data"),
        ("a.csv", f'subject,section,a\n{SUBJECT},LOANS,"x\n', "line "),
        ("a.csv", b"subject,section,a\n\xff", "line 2: not UTF-8"),
        ("a.csv", f"subject,section,data\n{SUBJECT},LOANS,{{\n", "line 2: not JSON"),
    ],
)
def test_a_bad_line_is_named(name: str, content: bytes | str, problem: str | None, tmp_path: Path):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(BadRecords, match=problem or "ASCII") as caught:
        list(read_records(path))
    assert str(path) in str(caught.value)


def test_an_absent_file_is_named(tmp_path: Path):
    with pytest.raises(BadRecords, match="No such file"):
        list(read_records(tmp_path / "absent.jsonl"))


TEXT = st.text(st.characters(exclude_categories=()), max_size=3)
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner),
    max_leaves=8,
)


@given(st.dictionaries(TEXT, PLAIN, max_size=3), st.booleans())
def test_a_line_is_read_as_the_events_read_theirs(
    tmp_path_factory: pytest.TempPathFactory, data: dict[str, Any], ascii: bool
):
    value = {"subject": SUBJECT, "section": "LOANS", "data": {**data, "a": 1}}
    line = json.dumps(value, ensure_ascii=ascii).encode("utf-8", "surrogatepass")
    path = tmp_path_factory.mktemp("lines") / "a.jsonl"
    path.write_bytes(line)
    try:
        expected = parse_json(line, RECORD_BYTES_MAX)
    except MalformedEvent:
        with pytest.raises(BadRecords):
            list(read_records(path))
    else:
        (record,) = read_records(path)
        assert record.to_json() == expected
        assert record.content == canonical_json(expected)


@pytest.mark.parametrize("content", [b"not a database, far from it, no, not at all", b"SQLite f"])
def test_a_file_of_something_else_is_no_store(content: bytes, tmp_path: Path):
    path = tmp_path / "records.db"
    path.write_bytes(content)
    with pytest.raises(BadStore, match=r"records\.db"):
        RecordStore(path)
    assert path.read_bytes() == content


def test_a_store_is_private(tmp_path: Path):
    store_of(tmp_path)
    assert (tmp_path / "records.db").stat().st_mode & 0o777 == 0o600
