"""Every story is told right by the rulebook, and the stories tell everything."""

import pytest

from creditchain.events import EVENTS
from creditchain.rulebook import Refusal
from fixtures.stories import (
    STORIES,
    BookReader,
    Played,
    StoryFailed,
    read_story,
    run_story,
)

# Codes that only the door gives, before the rulebook sees an event (tests/unit/test_seal.py).
AT_THE_DOOR = {
    Refusal.EVENT_MALFORMED,
    Refusal.PROOF_MALFORMED,
    Refusal.KEY_UNKNOWN,
    Refusal.SIGNATURE_INVALID,
    Refusal.ID_REUSED,
}


@pytest.fixture(scope="module")
def played() -> list[Played]:
    return [event for name in STORIES for event in run_story(read_story(name), BookReader)]


@pytest.mark.parametrize("name", STORIES)
def test_the_rulebook_answers_as_the_story_tells(name: str):
    assert run_story(read_story(name), BookReader)


def test_no_event_type_is_without_a_story_where_it_is_admitted(played: list[Played]):
    told = {event.line.type for event in played if event.refusal is None}
    assert EVENTS.keys() - told == set()


def test_no_event_type_is_without_a_story_where_it_is_refused(played: list[Played]):
    told = {event.line.type for event in played if event.refusal is not None}
    assert EVENTS.keys() - told == set()


def test_no_refusal_is_without_a_story(played: list[Played]):
    told = {event.refusal for event in played}
    assert set(Refusal) - AT_THE_DOOR - told == set()


def test_a_story_that_tells_another_outcome_fails():
    text = "include consortium\n  hana MemberAdmitted member=other -> ok"
    with pytest.raises(StoryFailed, match=r"told ok, answered .*ROLE_MISSING"):
        run_story(text, BookReader)


def test_a_story_that_tells_another_path_fails():
    text = "include consortium\n  hana MemberAdmitted member=other -> ROLE_MISSING body.member"
    with pytest.raises(StoryFailed, match=r"told body.member, answered by"):
        run_story(text, BookReader)


@pytest.mark.parametrize(
    "line",
    [
        "hana MemberAdmited member=other -> ok",
        "hana MemberAdmitted member=other",
        "hana MemberAdmitted member=other colour=red -> ok",
        "hana MemberAdmitted member=Other -> ok",
        "hana MemberSuspended -> ok",
    ],
)
def test_a_line_that_cannot_be_read_is_named(line: str):
    with pytest.raises(StoryFailed, match="story:1: hana"):
        run_story(line, BookReader)


def test_a_story_told_twice_has_the_same_bytes():
    text = read_story("deliveries")
    once, again = (run_story(text, BookReader) for _ in range(2))
    assert [event.sealed.body for event in once] == [event.sealed.body for event in again]
