"""Each audit rule has a story that triggers it and one that must not, and finds what is told."""

import pytest

from fixtures.stories.story import BookReader, read_story, run_story
from regulator.audit import AUDIT_RULES
from tests.stories.audited import FINDINGS, STORIES, play, print_findings, story_lines

RULES = {rule.code: rule for rule in AUDIT_RULES}


def test_each_rule_has_both_its_stories_and_no_story_is_left_over():
    wanted = {name for code in RULES for name in (code, f"{code}-not")}
    assert set(STORIES) == wanted


@pytest.mark.parametrize("name", STORIES)
def test_the_rulebook_answers_as_the_audit_story_tells(name: str):
    assert run_story(story_lines(read_story(f"audit/{name}")), BookReader)


@pytest.mark.parametrize("name", STORIES)
def test_the_rule_finds_what_its_story_tells_and_nothing_else(name: str):
    rule = RULES[name.removesuffix("-not")]
    found, told, judged = [], [], False
    for line, said, findings in play(read_story(f"audit/{name}"), [rule]):
        found += [(line.where, one.code) for one in findings]
        told += [(line.where, code) for code in line.findings]
        judged = judged or isinstance(said.body, rule.on)
    assert found == told
    assert judged, "the story holds no event that the rule judges"
    assert bool(told) is not name.endswith("-not")


def test_every_rule_quotes_its_source():
    silent = [
        code for code, rule in RULES.items() if not (rule.judge.__doc__ or "").startswith(code)
    ]
    assert silent == []


def test_codes_are_never_used_twice():
    codes = [rule.code for rule in AUDIT_RULES]
    assert sorted(set(codes)) == sorted(codes)


def test_the_stories_give_the_same_bytes_on_every_machine():
    printed, kept = print_findings(), FINDINGS.read_text(encoding="utf-8")
    assert printed.splitlines() == kept.splitlines(), "python -m tests.stories.audited"
