"""Every event type is written and read one to one; anything else is malformed."""

import json
from typing import Any

import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from creditchain.events import (
    EVENT_BYTES_MAX,
    EVENTS,
    TYPE_OF,
    Event,
    MalformedEvent,
    canonical_json,
    event_object,
    format_event,
    parse_event,
    parse_event_object,
)
from creditchain.events.field import fields_of
from fixtures.stories import STORIES, read_story
from fixtures.stories.story import compose
from tests.unit.events.any_event import any_event, events_of

# One event of each type, in the words of the stories.
SAMPLES = {
    sealed.event.type: sealed.event
    for name in STORIES
    for line, sealed, _ in compose(read_story(name))
    if line.code == "ok"
}


def malformed(value: Any) -> MalformedEvent:
    with pytest.raises(MalformedEvent) as caught:
        parse_event_object(value)
    return caught.value


def test_types_and_classes_stand_one_to_one():
    assert len(TYPE_OF) == len(EVENTS)
    assert all(cls.__name__ == name for name, cls in EVENTS.items())


@pytest.mark.parametrize("type_", sorted(EVENTS))
def test_an_event_of_each_type_is_read_as_it_was_written(type_: str):
    @settings(max_examples=12)
    @given(events_of(type_))
    def round_trip(event: Event) -> None:
        data = format_event(event)
        assert parse_event(data) == event
        assert data == rfc8785.dumps(json.loads(data))
        assert event.type == type_

    round_trip()


@pytest.mark.parametrize("type_", sorted(EVENTS))
def test_no_field_of_a_type_may_be_missing_null_or_unknown(type_: str):
    event = event_object(SAMPLES[type_])
    optional = {field.json_name for field in fields_of(EVENTS[type_]) if field.optional}
    for name in event["body"]:
        without = {key: value for key, value in event["body"].items() if key != name}
        if name not in optional:
            fault = malformed({**event, "body": without})
            assert (fault.path, fault.problem) == (f"body.{name}", "missing")
        assert malformed({**event, "body": {**event["body"], name: None}}).path.startswith("body")
        assert malformed({**event, "body": {**event["body"], name: 1.5}}).path.startswith("body")
    fault = malformed({**event, "body": {**event["body"], "colour": "red"}})
    assert (fault.path, fault.problem) == ("body", "unknown field 'colour'")


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"type": "OrderImagined"}, "type"),
        ({"type": 7}, "type"),
        ({"type": ["OrderPlaced"]}, "type"),
        ({"extra": 1}, ""),
        ({"id": "0190b5a0-0000-4000-8000-000000000000"}, "id"),
        ({"id": "0190B5A0-0000-7000-8000-000000000000"}, "id"),
        ({"id": "0190b5a0-0000-7000-c000-000000000000"}, "id"),
        ({"log": "Stories.example"}, "log"),
        ({"log": "stories.example/1\n"}, "log"),
        ({"by": "Hana"}, "by"),
        ({"by": "of_short"}, "by"),
        ({"by": "of_AAAAAAAAAAAAAAAAAAAAAB"}, "by"),
        ({"by": "ｈana"}, "by"),
        ({"signedAt": "2026-03-02T01:00:00Z"}, "signedAt"),
        ({"signedAt": "2026-03-02T01:00:00.000+00:00"}, "signedAt"),
        ({"signedAt": "2026-02-30T01:00:00.000Z"}, "signedAt"),
        ({"signedAt": "2026-03-02T24:00:00.000Z"}, "signedAt"),
        ({"signedAt": "2026-03-02T01:00:60.000Z"}, "signedAt"),
        ({"signedAt": "1969-12-31T23:59:59.999Z"}, "signedAt"),
        ({"signedAt": "٢٠٢٦-03-02T01:00:00.000Z"}, "signedAt"),
        ({"signedAt": 1772413200000}, "signedAt"),
        ({"salt": "AAAAAAAAAAAAAAAAAAAAAB"}, "salt"),
        ({"salt": "AAAAAAAAAAAAAAAAAAAAA"}, "salt"),
        ({"salt": "AAAAAAAAAAAAAAAAAAAAAA=="}, "salt"),
        ({"body": []}, "body"),
        ({"body": "x"}, "body"),
    ],
)
def test_a_head_out_of_form_is_named_by_its_path(changes: dict[str, Any], path: str):
    assert malformed({**event_object(SAMPLES["OrderPlaced"]), **changes}).path == path


@pytest.mark.parametrize(
    ("type_", "changes", "path"),
    [
        ("OrderPlaced", {"sections": []}, "body.sections"),
        ("OrderPlaced", {"sections": ["LOANS", "IDENTITY"]}, "body.sections"),
        ("OrderPlaced", {"sections": ["LOANS", "LOANS"]}, "body.sections"),
        ("OrderPlaced", {"sections": ["LOANS", "GOSSIP"]}, "body.sections.1"),
        ("OrderPlaced", {"sections": "LOANS"}, "body.sections"),
        ("OrderPlaced", {"sections": {"0": "LOANS"}}, "body.sections"),
        ("OrderPlaced", {"purpose": "CURIOSITY"}, "body.purpose"),
        ("OrderPlaced", {"purpose": ["OTHER"]}, "body.purpose"),
        ("OrderPlaced", {"ground": {"code": "COURT"}}, "body.ground.document"),
        ("RecordsCommitted", {"count": 0}, "body.count"),
        ("RecordsCommitted", {"count": 1_000_001}, "body.count"),
        ("RecordsCommitted", {"count": True}, "body.count"),
        ("RecordsCommitted", {"count": "26"}, "body.count"),
        ("BodyErased", {"index": -1}, "body.index"),
        ("BodyErased", {"index": 2**53}, "body.index"),
        ("MemberAdmitted", {"member": "-hana"}, "body.member"),
        ("MemberAdmitted", {"member": "h" * 33}, "body.member"),
        ("MemberAdmitted", {"region": "44010"}, "body.region"),
        ("MemberAdmitted", {"region": "４４０１００"}, "body.region"),
        ("ProductOffered", {"schema": "report/v0"}, "body.schema"),
        ("ProductOffered", {"price": {"amount": -1, "currency": "CNY"}}, "body.price.amount"),
        ("ProductOffered", {"price": {"amount": 1, "currency": "cny"}}, "body.price.currency"),
    ],
)
def test_a_body_out_of_form_is_named_by_its_path(type_: str, changes: dict[str, Any], path: str):
    event = event_object(SAMPLES[type_])
    assert malformed({**event, "body": {**event["body"], **changes}}).path == path


@pytest.mark.parametrize(
    "name",
    [
        "",
        " Hana",
        "Hana ",
        "Hana\u3000",
        "Ha\nna",
        "Ha\x00na",
        "Ha\x7fna",
        "Ha\x85na",
        "Ha\u200bna",
        "Ha\u202ena",
        "Ha\u2066na",
        "\ufeffHana",
        "Ha\ud800na",
        "Ha\U000e0041na",
        "x" * 121,
    ],
)
def test_a_name_is_what_it_looks_like(name: str):
    event = event_object(SAMPLES["MemberAdmitted"])
    assert malformed({**event, "body": {**event["body"], "name": name}}).path == "body.name"


@pytest.mark.parametrize("name", ["Hana", "珠三角 征信", "Ångström & Co. (Ελλάς)", "x" * 120, "😀"])
def test_a_name_may_be_in_any_script(name: str):
    event = event_object(SAMPLES["MemberAdmitted"])
    assert parse_event_object({**event, "body": {**event["body"], "name": name}})


def test_a_list_has_at_most_256_items():
    event = event_object(SAMPLES["ConsentRequested"])
    terms = event["body"]["terms"]

    def with_agencies(count: int) -> dict[str, Any]:
        agencies = [f"a{number:03d}" for number in range(count)]
        return {**event, "body": {**event["body"], "terms": {**terms, "agencies": agencies}}}

    assert parse_event_object(with_agencies(256))
    assert malformed(with_agencies(257)).path == "body.terms.agencies"


@pytest.mark.parametrize("value", [None, 1, "x", [], {}, {"type": "OrderPlaced"}, True])
def test_what_is_no_event_at_all_is_malformed(value: Any):
    malformed(value)


def test_another_spelling_of_an_event_is_malformed():
    data = format_event(SAMPLES["OrderPlaced"])
    value = json.loads(data)
    for other in (
        data + b"\n",
        b" " + data,
        json.dumps(value, sort_keys=True).encode(),
        json.dumps(dict(reversed(value.items())), separators=(",", ":")).encode(),
        data.replace(b"PRE_LOAN", b"PRE\\u005fLOAN"),
        data.replace(b"/", b"\\/", 1),
    ):
        assert other != data
        with pytest.raises(MalformedEvent):
            parse_event(other)


def test_an_event_over_its_bound_is_malformed():
    event = event_object(SAMPLES["MemberAdmitted"])
    with pytest.raises(MalformedEvent, match=f"more than {EVENT_BYTES_MAX} bytes"):
        parse_event(canonical_json({**event, "body": {"name": "x" * EVENT_BYTES_MAX}}))


@pytest.mark.parametrize("type_", sorted(EVENTS))
def test_every_mangled_byte_is_another_event_or_malformed(type_: str):
    event = SAMPLES[type_]
    data = format_event(event)
    for at in range(len(data)):
        for byte in {data[at] ^ 0x01, data[at] ^ 0x80, ord('"')} - {data[at]}:
            mangled = data[:at] + bytes([byte]) + data[at + 1 :]
            try:
                other = parse_event(mangled)
            except MalformedEvent:
                continue
            assert other != event
            assert format_event(other) == mangled


def test_every_prefix_is_malformed():
    data = format_event(SAMPLES["ReportDelivered"])
    for end in range(len(data)):
        with pytest.raises(MalformedEvent):
            parse_event(data[:end])


@settings(max_examples=60)
@given(any_event, st.data())
def test_a_value_swapped_for_any_other_is_an_event_or_malformed(event: Event, data: st.DataObject):
    value = event_object(event)
    target = data.draw(st.sampled_from([value, value["body"]]))
    if target:
        key = data.draw(st.sampled_from(sorted(target)))
        junk = (
            st.none()
            | st.booleans()
            | st.integers()
            | st.floats()
            | st.text()
            | st.lists(st.integers(), max_size=2)
        )
        target[key] = data.draw(junk | st.dictionaries(st.text(), st.text(), max_size=2))
    try:
        parsed = parse_event_object(value)
    except MalformedEvent:
        return
    assert parse_event(format_event(parsed)) == parsed
