"""A settled town for each test that asks for one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.unit.api.town import Town, open_town


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    """Members, officers, enterprises and products on a ledger of its own."""
    async with open_town(tmp_path) as settled:
        yield settled
