"""The evidence of an order, from the observer's own copy."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from regulator.cli.running import (
    HERE,
    UNFIT,
    WRONG,
    AsJson,
    Folder,
    copy_in,
    fail,
    load,
    print_json,
    run_work,
)

if TYPE_CHECKING:
    from creditchain.client.verify import Verdict


def evidence(
    order: Annotated[str, typer.Argument(help="The order's id.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The new zip file; else ORDER.zip here.")
    ] = None,
    data: Folder = HERE,
    as_json: AsJson = False,
) -> None:
    """Gather all about an order from our copy in one file that anybody can verify offline.

    It is signed with the observer's service key. The observer may be running; the hub need not be.
    """
    from regulator.config import BadConfig, load_genesis, load_secrets
    from regulator.database import open_database
    from regulator.evidence import NoEvidence, make_evidence

    config = load(data)
    path = out or Path(f"{order[:80].replace('/', '-')}.zip")
    if path.exists():
        fail(UNFIT, f"{path}: exists already")
    database = copy_in(config.folder)
    try:
        genesis, keys = load_genesis(config), load_secrets(config)
    except BadConfig as error:
        fail(UNFIT, str(error))
    maker = config.actor or genesis.regulator

    async def run() -> tuple[bytes, Verdict]:
        with open_database(database, readers=True) as engine:
            return make_evidence(engine, order, genesis.log, keys.signers, maker, keys.service)

    try:
        bundle, verdict = run_work(run)
    except NoEvidence as error:
        fail(UNFIT, str(error))
    if not verdict.ok:
        fail(WRONG, f"nothing was written, our copy does not bear it out: {verdict.problems[0]}")
    try:
        with path.open("xb") as file:
            file.write(bundle)
    except OSError as error:
        fail(UNFIT, f"{path}: {error.strerror}")
    facts = verdict.facts
    if as_json:
        print_json({"path": str(path), **verdict.to_json()})
        return
    typer.echo(f"{path}: {len(facts['events'])} events, verified; open cover.html in it")
    for index in facts["unshown"]:
        typer.echo(f"on the log, author not shown: entry {index}")
    for lack in facts["absent"]:
        typer.echo(f"cited, not in it: {lack['what']} {lack['id']}")
