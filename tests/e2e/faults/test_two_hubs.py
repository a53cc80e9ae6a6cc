"""Two hubs, or two observers, on one database: the second refuses to start."""

from __future__ import annotations

import shutil
from pathlib import Path

from creditchain.hub import EXIT_REFUSED
from fixtures.demo.stage import Process, program
from regulator.cli import DATABASE
from tests.e2e.faults.small_stage import SmallStage, change_settings, free_port, hub_command


def with_another_port(folder: Path, settings: str, to: Path) -> None:
    """Makes a folder whose files are those of `folder`, all but the port in its settings."""
    to.mkdir()
    for path in folder.iterdir():
        if path.name != settings:
            (to / path.name).symlink_to(path)
    shutil.copy(folder / settings, to / settings)
    change_settings(to / settings, port=free_port())


def second(stage: SmallStage, name: str, command: list[str]) -> tuple[int, str]:
    """What comes of a second process: its exit status and what it said."""
    return stage.refusal_to_start(Process(name, command, stage.stage.logs / f"second {name}.log"))


def test_a_second_hub_on_one_database_ends_with_status_3_and_says_why(
    stage: SmallStage, tmp_path: Path
):
    size = stage.size()
    with_another_port(stage.hub_folder, "hub.toml", tmp_path / "hub")
    command = hub_command(tmp_path)
    status, said = second(stage, "hub", command)
    assert status == EXIT_REFUSED == 3
    assert "another hub" in said
    assert len(said.strip().splitlines()) == 1
    assert stage.size() == size
    assert stage.is_ready()


def test_a_second_observer_on_one_database_ends_and_says_why(stage: SmallStage):
    command = [*program("regulator"), "serve", "--data", str(stage.observer_folder)]
    status, said = second(stage, "observer", command)
    assert status == DATABASE
    assert "another observer" in said
    assert "Traceback" not in said
    assert stage.http.get(f"{stage.observer_url}/healthz").status_code == 200
