"""The stages of the tests of faults: one that all share, and copies of it to break."""

from __future__ import annotations

from collections.abc import Callable, Iterator
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


@pytest.fixture
def copied(founded: tuple[SmallStage, Path], tmp_path: Path) -> Iterator[Callable[[], SmallStage]]:
    """Makes a copy whose processes are ended with the test; nothing of it runs yet."""
    stages: list[SmallStage] = []

    def make() -> SmallStage:
        made = copied_stage(founded[1], tmp_path / f"data{len(stages)}")
        stages.append(made)
        return made

    yield make
    for made in stages:
        made.stop()
