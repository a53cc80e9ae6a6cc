"""Handing in what members hold."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from regulator.cli.running import (
    HERE,
    UNFIT,
    WRONG,
    AsJson,
    Folder,
    fail,
    load,
    own_url,
    print_json,
    run_work,
)


def submit(
    files: Annotated[list[Path], typer.Argument(help="Checkpoints, receipts, refusals, bodies.")],
    data: Folder = HERE,
    as_json: AsJson = False,
) -> None:
    """Check what a member holds against our copy: checkpoints, receipts, signed refusals.

    What a file is, is told by how it begins. A refusal needs the body of the event it refused: hand
    in both. A running observer is asked; else the copy is opened here.
    """
    from creditchain.logs import set_up_logs
    from regulator.inbox import FILE_BYTES_MAX, FILES_MAX

    config = load(data)
    # What is found is the answer itself.
    set_up_logs("critical")
    if len(files) > FILES_MAX:
        fail(UNFIT, f"at most {FILES_MAX} files at once")
    contents = []
    for path in files:
        try:
            with path.open("rb") as file:
                contents.append(file.read(FILE_BYTES_MAX + 1))
        except OSError as error:
            fail(UNFIT, f"{path}: {error.strerror}")
        if len(contents[-1]) > FILE_BYTES_MAX:
            fail(UNFIT, f"{path}: more than {FILE_BYTES_MAX} bytes, so it is none of these")
    answers = run_work(lambda: _hand_in(config, contents))
    if as_json:
        print_json({"answers": answers})
    else:
        for answer in answers:
            typer.echo(f"{answer['kind']:<10} {answer['outcome']:<10} {answer['says']}")
    outcomes = {answer["outcome"] for answer in answers}
    if "ACCUSES" in outcomes:
        raise typer.Exit(WRONG)
    if "NOTHING" in outcomes or not outcomes:
        raise typer.Exit(UNFIT)


async def _hand_in(config: Any, contents: Sequence[bytes]) -> list[dict[str, Any]]:
    import time

    from regulator.database import InUse
    from regulator.inbox import Inbox
    from regulator.serve import assemble

    try:
        async with assemble(replace(config, processes=1)) as observer:
            inbox = Inbox(
                observer.follower, observer.genesis, config.folder, clock=time.time, deep=True
            )
            return [judged.to_json() for judged in await inbox.take(contents)]
    except InUse:
        return await _ask(config, contents)


async def _ask(config: Any, contents: Sequence[bytes]) -> list[dict[str, Any]]:
    """The running observer's answers."""
    import httpx2

    from regulator.config import BadConfig

    url = f"{own_url(config)}/submit"
    documents = [base64.b64encode(raw).decode() for raw in contents]
    problem = ""
    try:
        async with httpx2.AsyncClient(trust_env=False, timeout=60.0) as client:
            answer = await client.post(url, json={"documents": documents})
        if answer.status_code == 200:
            return list(answer.json()["answers"])
        problem = f"answers {answer.status_code}"
    except (httpx2.HTTPError, ValueError, KeyError, TypeError) as error:
        problem = f"does not answer: {error}"
    raise BadConfig(f"another process has {config.folder} open, and {url} {problem}")
