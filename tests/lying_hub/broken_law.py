"""A rulebook that is wrong, in the hub and in the observer alike: replay cannot see it.

`broken(rule)` puts a rule of our own into the law for as long as it is entered. What then stands on
the log unlawfully gives no `LAW_BROKEN`, because hub and observer share the mistake. It is what the
audit rules are for, which know no rulebook.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from unittest.mock import patch

from creditchain.events import Body
from creditchain.events.consent import ConsentWithdrawn
from creditchain.events.order import OrderPlaced
from creditchain.rulebook import RULEBOOKS
from creditchain.rulebook.book import Book, Writes
from creditchain.rulebook.record import Consent, ConsentStatus
from creditchain.rulebook.refusal import Violation
from creditchain.rulebook.rule import Act
from tests.lying_hub.honest import Consortium

Decide = Callable[[Book, Any, Act], Writes | Violation]


@contextmanager
def broken(type_: type[Body], decide: Decide) -> Iterator[None]:
    """The law of version 1 with another rule for one type of event."""
    rules = dict(RULEBOOKS[1])
    rules[type_] = replace(rules[type_], decide=decide)
    with patch.dict(RULEBOOKS, {1: rules}):
        yield


def blind_to_withdrawal() -> Decide:
    """Orders under a withdrawn consent are let through, as if it still stood."""
    lawful = RULEBOOKS[1][OrderPlaced].decide

    def place(book: Book, body: OrderPlaced, act: Act) -> Writes | Violation:
        return lawful(_Standing(book), body, act)

    return place


class _Standing:
    """A book in which every withdrawn consent stands."""

    def __init__(self, book: Book) -> None:
        self._book = book

    def get(self, kind: type[Any], id: str) -> Any:
        found = self._book.get(kind, id)
        if isinstance(found, Consent) and found.status is ConsentStatus.WITHDRAWN:
            return replace(found, status=ConsentStatus.GRANTED)
        return found


def order_under_a_withdrawn_consent(consortium: Consortium) -> int:
    """An order that the broken law lets through; its index. Enter `broken` first."""
    while not consortium.consents:
        consortium.consent()
    consent, enterprise, _ = consortium.consents[-1]
    consortium.admit(enterprise, ConsentWithdrawn(consent))
    consortium.at += 1_000
    while consortium.consents[0][0] != consent:
        consortium.consents.pop(0)
    consortium.place()
    return consortium.log.size - 1
