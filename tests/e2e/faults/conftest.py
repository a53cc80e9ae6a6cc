"""The stages of the tests of faults: one that all share, and copies of it to break."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.faults.small_stage import (
    SmallStage,
    copied_stage,
    copy_files,
    eventually,
    found_stage,
)


@pytest.fixture(scope="session")
def founded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[SmallStage, Path]]:
    """A running stage, and its files as they were when everybody had joined."""
    folder = tmp_path_factory.mktemp("founded")
    stage = found_stage(folder / "data")
    try:
        eventually(lambda: stage.cosigned() == stage.size())
        copy_files(folder / "data", folder / "files")
        yield stage, folder / "files"
    finally:
        stage.stop()


@pytest.fixture
def stage(founded: tuple[SmallStage, Path]) -> SmallStage:
    """The running stage that tests share; they leave it running and whole."""
    return founded[0]


@pytest.fixture(scope="module")
def copy(
    founded: tuple[SmallStage, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SmallStage]:
    """A copy for the tests of a module, to break; nothing of it runs at first."""
    made = copied_stage(founded[1], tmp_path_factory.mktemp("copy") / "data")
    yield made
    made.stop()
