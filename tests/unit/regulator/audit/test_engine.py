"""The audit's findings follow from the log and the pack alone, and nothing on a log stops it."""

import importlib
import pkgutil
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any, get_type_hints

from hypothesis import given, settings
from hypothesis import strategies as st

import regulator.audit
from regulator.audit import AUDIT_RULES, Audit, AuditFinding, DictFacts, HeapAgenda, Said
from regulator.audit.fact import KINDS
from regulator.audit_store import AuditStore
from tests.stories.audited import default_pack
from tests.unit.regulator.audit.soup import Soup

RULES = {rule.code: rule for rule in AUDIT_RULES}


def audit_in_memory(said: Sequence[Said]) -> list[AuditFinding]:
    commitments = [one.commitment for one in said]
    audit = Audit(AUDIT_RULES, default_pack(), DictFacts(), HeapAgenda(), commitments.__getitem__)
    return [
        finding for one in said for finding in audit.step(one.entry, one.at, one.commitment, one)
    ]


def audit_in_groups(said: Sequence[Said], cuts: Sequence[int], path: Path) -> list[AuditFinding]:
    """Through audit.db, opened anew for each group, as after a crash."""
    commitments = [one.commitment for one in said]
    found = []
    for start, end in zip([0, *cuts], [*cuts, len(said)], strict=True):
        group = said[start:end]
        if not group:
            continue
        store = AuditStore(path)
        if start == 0:
            store.begin_again(b"pack", "pack")
        audit = Audit(
            AUDIT_RULES, default_pack(), store.facts, store.agenda, commitments.__getitem__
        )
        with store.transaction():
            store.agenda.look_to(group[-1].at)
            given_now = [
                finding
                for one in group
                for finding in audit.step(one.entry, one.at, one.commitment, one)
            ]
            store.save(end, 0, group[-1].at, given_now)
        store.close()
        found += given_now
    return found


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_nothing_that_is_signed_stops_the_audit(seed: int):
    said = list(Soup(seed).said(600))
    assert audit_in_memory(said)


@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_findings_depend_neither_on_grouping_nor_on_where_facts_are_kept(tmp_path_factory, seed):
    random = Random(seed)
    said = list(Soup(seed).said(400))
    cuts = sorted(random.sample(range(len(said)), random.randint(0, 6)))
    path = tmp_path_factory.mktemp("audit") / "audit.db"
    at_once = [finding.evidence for finding in audit_in_memory(said)]
    assert [finding.evidence for finding in audit_in_groups(said, cuts, path)] == at_once


def test_among_any_events_most_rules_find_something():
    found: Counter[str] = Counter()
    for seed in range(12):
        found.update(finding.code for finding in audit_in_memory(list(Soup(seed).said(800))))
    # The rest need the figures of a month, or data about a person that is years old.
    assert len(found) >= 48, sorted({*RULES} - {*found})


def list_kinds() -> Iterator[type[Any]]:
    """Every kind of fact and note, of every module of the audit."""
    for info in pkgutil.iter_modules(regulator.audit.__path__):
        module = importlib.import_module(f"regulator.audit.{info.name}")
        for value in vars(module).values():
            if (
                isinstance(value, type)
                and issubclass(value, tuple)
                and hasattr(value, "_fields")
                and value.__module__ == module.__name__
            ):
                yield value


NOT_KEPT = {"Said", "Due", "Cited", "WakeUp"}


def test_no_two_kinds_of_facts_have_one_name():
    names = Counter(kind.__name__ for kind in list_kinds())
    assert [name for name, times in names.items() if times > 1] == []


def test_every_kind_begins_with_the_text_that_names_it():
    kinds = [kind for kind in list_kinds() if kind.__name__ not in NOT_KEPT]
    assert {*KINDS} < {*kinds}
    wrong = [
        kind.__name__
        for kind in kinds
        if get_type_hints(kind)[kind._fields[0]] is not str  # type: ignore[attr-defined]
    ]
    assert wrong == []
