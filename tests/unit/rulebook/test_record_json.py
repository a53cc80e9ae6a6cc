"""Records as JSON and back."""

import json

import pytest

from creditchain.rulebook import DictBook, Violation, decide
from creditchain.rulebook.record import RECORDS, Consortium, Member, Order, Record
from creditchain.rulebook.record_json import record_from_json, record_to_json
from fixtures.stories import STORIES, read_story
from fixtures.stories.story import compose


def written() -> list[Record]:
    """Every record that the stories write, in every state."""
    records = []
    for name in STORIES:
        book = DictBook()
        for _, sealed, at in compose(read_story(name)):
            answer = decide(book, sealed, at)
            if not isinstance(answer, Violation):
                book.put(answer)
                records += answer
    return records


WRITTEN = written()


def test_the_stories_write_every_kind_of_record():
    assert {type(record) for record in WRITTEN} == set(RECORDS)


def test_a_record_is_read_as_it_was_written():
    for record in WRITTEN:
        text = json.dumps(record_to_json(record))
        again = record_from_json(type(record), json.loads(text))
        assert again == record
        assert type(again) is type(record)


def test_every_field_of_every_kind_is_written_somewhere():
    seen = {(type(record), name) for record in WRITTEN for name in record_to_json(record)}
    missing = {
        (kind.__name__, name)
        for kind in RECORDS
        for name in kind.__dataclass_fields__
        if (kind, name) not in seen
    }
    assert missing == set()


def test_absent_fields_are_left_out():
    order = next(record for record in WRITTEN if isinstance(record, Order))
    assert None not in record_to_json(order).values()


@pytest.mark.parametrize(
    "changes",
    [
        {"standing": "ASLEEP"},
        {"kind": 7},
        {"admitted_at": "1"},
        {"admitted_at": True},
        {"colour": "red"},
        {"name": None},
    ],
)
def test_what_is_no_record_is_refused(changes: dict[str, object]):
    member = next(record for record in WRITTEN if isinstance(record, Member))
    with pytest.raises(ValueError, match=r".+"):
        record_from_json(Member, {**record_to_json(member), **changes})


def test_a_missing_field_is_named():
    founded = next(record for record in WRITTEN if isinstance(record, Consortium))
    data = record_to_json(founded)
    del data["log"]
    with pytest.raises(ValueError, match=r"Consortium\.log is missing"):
        record_from_json(Consortium, data)
