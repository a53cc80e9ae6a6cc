"""The main job through the doors."""

import pytest

from tests.unit.api.town import Town, officer_id


async def test_an_order_is_placed_and_answered_with_a_receipt(town: Town):
    consent = await town.consent()
    sealed = town.order(consent)
    payload = await town.done(sealed)
    assert payload["order"]["id"] == sealed.event.id
    assert payload["order"]["status"] == "PLACED"
    assert payload["receipt"]["level"] == "CHECKPOINTED"
    assert payload["receipt"]["proof"].startswith("c2sp.org/tlog-proof@v1")
