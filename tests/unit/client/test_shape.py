"""The compiled shape of a record: it judges as the report's schema does, and in time."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from creditchain.client.fresh import fresh_enterprise_id
from creditchain.client.records import BadRecords, Record, read_records
from creditchain.client.report import report_schema
from creditchain.client.shape import check_shape
from creditchain.events.codes import Section
from tests.unit.hub_world import FIXTURE

SUBJECT = fresh_enterprise_id()
MONEY = {"amount": 123, "currency": "CNY"}
LOAN = {"account": "L1", "amount": MONEY, "class": "normal", "opened": "2024-02-29"}
SCHEMA = report_schema()

values = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-5, 3_000),
        st.integers(-(2**60), 2**60),
        st.sampled_from(["", "normal", "2024-01-31", "2024-13", "2024-01", "CNY", "x" * 401]),
        st.text(max_size=5),
        st.just("y" * 4_001),
        st.just(dict(MONEY)),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["amount", "currency", "名", "a", ""]), inner, max_size=3),
    ),
    max_leaves=4,
)


def fits(section: Section, data: dict[str, Any]) -> bool:
    try:
        check_shape(Record(SUBJECT, section, data))
    except ValueError:
        return False
    return True


def fits_the_schema(section: Section, data: dict[str, Any]) -> bool:
    parts = [SCHEMA["$defs"]["record"]["properties"]["data"], {"$ref": f"#/$defs/{section}"}]
    return Draft202012Validator({"allOf": parts, "$defs": SCHEMA["$defs"]}).is_valid(data)


@pytest.mark.parametrize("section", list(Section))
@settings(max_examples=25)
@given(data=st.data())
def test_the_compiled_shape_judges_as_the_schema(section: Section, data: st.DataObject):
    named = SCHEMA["$defs"][section.value]["properties"]
    known = data.draw(st.sets(st.sampled_from(sorted(named))))
    names = sorted(known | set(SCHEMA["$defs"][section.value].get("required", ())))
    record = {name: data.draw(fitting(named[name])) for name in names}
    for name in data.draw(st.lists(st.sampled_from([*names, "more", "é", "", "n" * 61]))):
        record[name] = data.draw(values)
    assert fits(section, record) == fits_the_schema(section, record)


def fitting(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Values that a definition of one field allows."""
    name = schema.get("$ref", "").removeprefix("#/$defs/")
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if name in {"money", "signedMoney"}:
        return st.just(dict(MONEY))
    if name in {"count", "year"} or schema.get("type") == "integer":
        return st.sampled_from([0, 100, 2_024])
    if "pattern" in schema:
        return st.just("91440101MA5AKYY10M")
    return st.sampled_from(["2024-01-31", "2024-01", "text"])


def test_the_records_of_the_demonstration_have_their_shape():
    count = 0
    for path in sorted({FIXTURE.records_file(name) for name in FIXTURE.members}):
        if path.exists():
            count += sum(1 for _ in read_records(path, check=check_shape))
    assert count > 0


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"amount": 5}, "data of LOANS, amount: 5 is not of type 'object'"),
        ({"amount": {"amount": -1, "currency": "CNY"}}, "amount.amount: -1 is less than"),
        ({"class": "bad"}, "class: 'bad' is not one of"),
        ({"class": None}, "null; leave the field out"),
        ({"opened": "yesterday"}, "opened: 'yesterday' does not match"),
        ({"note": "z" * 5_000}, "data of LOANS, note: "),
    ],
)
def test_a_problem_names_file_line_section_and_field(
    change: dict[str, Any], problem: str, tmp_path: Path
):
    path = tmp_path / "records.jsonl"
    rows = [copy.deepcopy(LOAN), {**LOAN, **change}]
    path.write_text(
        "".join(
            json.dumps({"subject": SUBJECT, "section": "LOANS", "data": r}) + "\n" for r in rows
        )
    )
    with pytest.raises(BadRecords, match="line 2: ") as caught:
        list(read_records(path, check=check_shape))
    assert problem in str(caught.value)
    assert len(str(caught.value)) < 600
