"""Pages say where to go on, also when they found nothing."""

from __future__ import annotations

import pytest

from creditchain.querying.cursor import Cursors
from creditchain.querying.failure import DoorError
from creditchain.querying.limits import PAGE_DEFAULT, PAGE_MAX
from creditchain.querying.page import Page, page_size


def test_a_page_goes_on_from_its_last_item_or_from_where_it_looked_to():
    assert Page(["a", "b"], ["1", "2"], True, False).end_cursor == "2"
    assert Page(["a", "b"], ["1", "2"], True, False, "9").end_cursor == "9"
    assert Page([], [], True, True, "9").end_cursor == "9"
    assert Page([], [], False, False).end_cursor is None
    assert Page([], [], True, True, "9").start_cursor is None


def test_a_page_has_one_to_a_hundred_items():
    assert [page_size(first) for first in (None, 1, PAGE_MAX)] == [PAGE_DEFAULT, 1, PAGE_MAX]
    for first in (0, -1, PAGE_MAX + 1):
        with pytest.raises(DoorError):
            page_size(first)


def test_a_cursor_opens_for_its_list_alone():
    cursors = Cursors(b"secret")
    cursor = cursors.seal(["orders", "a"], "7:x")
    assert cursors.open(["orders", "a"], cursor) == "7:x"
    for scope, text in (
        (["orders", "b"], cursor),
        (["orders"], cursor),
        (["orders", "a"], cursor[:-1]),
        (["orders", "a"], "é"),
        (["orders", "a"], cursor * 9),
    ):
        with pytest.raises(DoorError):
            cursors.open(scope, text)
    with pytest.raises(DoorError):
        Cursors(b"another").open(["orders", "a"], cursor)
