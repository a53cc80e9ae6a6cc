"""One copied log for each test that asks for it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.unit.regulator.door.world import World, open_world


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """A door over a real copy, and people who may and may not ask."""
    async with open_world(tmp_path) as opened:
        yield opened
