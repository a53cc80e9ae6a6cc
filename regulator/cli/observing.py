"""Making an observer, running it, and looking at what it holds."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

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


def init(
    name: Annotated[str, typer.Option(help="The observer's name, e.g. regulator.example.")],
    genesis: Annotated[
        Path | None, typer.Option(help="The founding's body: what this observer pins.")
    ] = None,
    hub_url: Annotated[str, typer.Option(help="Where the hub is.")] = "http://127.0.0.1:8400",
    actor: Annotated[str, typer.Option(help="As whom to sign in; empty: the regulator.")] = "",
    port: Annotated[int, typer.Option(help="The port to listen on.")] = 8401,
    service: Annotated[
        Path | None, typer.Option(help="A key file to sign in with; else one is made.")
    ] = None,
    data: Folder = HERE,
    as_json: AsJson = False,
) -> None:
    """Make the observer's folder, settings and keys, and print the keys the hub's policy needs."""
    from creditchain.client.keys import BadKeyFile, load_key
    from regulator.config import GENESIS_NAME, BadConfig, load_config, make_observer, read_file
    from regulator.observer import BadGenesis, read_genesis

    try:
        key = load_key(service) if service else None
        vkeys = make_observer(data, name, service=key, hub_url=hub_url, actor=actor, port=port)
        load_config(data / "observer.toml")
        if genesis is not None:
            body = read_file(genesis)
            read_genesis(body)
            (data / GENESIS_NAME).write_bytes(body)
        public = load_key(data / "keys" / "service.json").public
    except (BadConfig, BadGenesis, BadKeyFile) as error:
        fail(UNFIT, str(error))
    if as_json:
        print_json({"vkeys": vkeys, "service": public.to_json(), "serviceKid": public.kid})
        return
    for cosigner, vkey in vkeys.items():
        typer.echo(f"witness {cosigner} {vkey} http://127.0.0.1:{port}/{cosigner}")
    typer.echo(f"# service key {public.kid}, to be registered for {actor or 'the regulator'}:")
    typer.echo(f"# {json.dumps(public.to_json())}")


def serve(data: Folder = HERE) -> None:
    """Follow the hub and answer over HTTP until stopped."""
    from creditchain.logs import set_up_logs
    from regulator.serve import serve as run

    config = load(data)
    set_up_logs(config.log_level)
    run_work(lambda: run(config))


def follow(
    once: Annotated[
        bool, typer.Option("--once", help="Follow to the newest checkpoint and end.")
    ] = False,
    data: Folder = HERE,
    as_json: AsJson = False,
) -> None:
    """Follow the hub without answering over HTTP."""
    from creditchain.logs import set_up_logs
    from regulator.api import describe
    from regulator.serve import assemble

    config = load(data)
    set_up_logs(config.log_level)

    async def run() -> dict[str, Any]:
        async with assemble(config) as observer:
            if not once:
                await observer.follower.run()
            await observer.follower.once()
            return await describe(observer)

    status_now = run_work(run)
    _print_status(status_now, as_json=as_json)
    if status_now["violations"] or status_now["ours"]["damaged"]:
        raise typer.Exit(WRONG)


def status(data: Folder = HERE, as_json: AsJson = False) -> None:
    """How far the observer is and what it found, from its database; it may be running."""
    from regulator.config import COSIGNERS
    from regulator.database import open_database
    from regulator.outbox import read_outbox
    from regulator.reading import describe_copy

    config = load(data)
    path = copy_in(config.folder)

    async def run() -> dict[str, Any]:
        with open_database(path, readers=True) as engine:
            return {
                **describe_copy(engine, COSIGNERS),
                "audit": _audit_status(config.folder),
                "warnings": read_outbox(config.folder),
            }

    now = run_work(run)
    _print_status(now, as_json=as_json)
    if now["violations"] or now["ours"]["damaged"]:
        raise typer.Exit(WRONG)


def export(
    out: Annotated[Path, typer.Option("--out", help="The file to write; it must be new.")],
    start: Annotated[int, typer.Option("--from", min=0, help="The first entry's index.")] = 0,
    data: Folder = HERE,
    as_json: AsJson = False,
) -> None:
    """Write our copy from an entry on to a file, for a hub that lost the end of its log.

    Entries, bodies, and the newest checkpoint the log has signed; `creditchain hub recover` reads
    it. The observer may be running.
    """
    from regulator.database import open_database
    from regulator.reading import NothingToExport, export

    path = copy_in(load(data).folder)

    async def run() -> tuple[int, int]:
        with open_database(path, readers=True) as engine:
            descriptor = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                with os.fdopen(descriptor, "wb") as file:
                    return export(engine, start, file)
            except BaseException:
                out.unlink()
                raise

    try:
        size, missing = run_work(run)
    except (NothingToExport, OSError) as error:
        fail(UNFIT, str(error))
    if as_json:
        print_json({"start": start, "size": size, "withoutBody": missing})
    else:
        typer.echo(f"wrote entries {start} to {size - 1} to {out}, {missing} without a body")


def check(data: Folder = HERE, as_json: AsJson = False) -> None:
    """Verify and replay our own copy again, from the first entry, without the hub."""
    from creditchain.logs import set_up_logs
    from regulator.check import check_copy
    from regulator.config import load_genesis

    config = load(data)
    set_up_logs("error")
    genesis = load_genesis(config)
    verdict = run_work(lambda: check_copy(config.folder, genesis, config.processes or None))
    if as_json:
        print_json(asdict(verdict))
    elif not verdict.signed:
        typer.echo("nothing was cosigned yet, so there is nothing to check")
    else:
        typer.echo(f"checked {verdict.size} entries, {verdict.erased} bodies erased")
        if verdict.unsure:
            typer.echo(f"{verdict.unsure} records cannot be replayed without the erased bodies")
        for warning in verdict.warnings:
            typer.echo(f"WARNING {warning}")
        for problem in verdict.problems:
            typer.echo(f"PROBLEM {problem}")
    if verdict.problems:
        raise typer.Exit(WRONG)


def _print_status(now: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(now)
        return
    typer.echo(f"log        {now['origin']}")
    typer.echo(f"copy       {now['size']} entries, root {now['root']}")
    for name, head in now["cosigned"].items():
        typer.echo(f"{name:<10} cosigned {head['size']}")
    bodies = now["bodies"]
    typer.echo(f"bodies     {bodies['missing']} missing, {bodies['erased']} erased")
    typer.echo(f"violations {now['violations']} certain, {now['uncertain']} uncertain")
    ours = now["ours"]
    typer.echo(f"handed in  {now['submissions']['waiting']} waiting for our copy")
    typer.echo(f"ourselves  {ours['findings']} findings, {ours['damaged']} rows damaged")
    audit = now.get("audit")
    if audit:
        typer.echo(f"audited    {audit['size']} entries under {audit['pack'] or 'no pack yet'}")
        for code, count in sorted(audit.get("findings", {}).items()):
            typer.echo(f"  {code} {count}")
    for code, count in sorted(now["findings"]["byCode"].items()):
        typer.echo(f"  {code} {count}")
    for channel, said in now.get("warnings", {}).items():
        problem = f": {said['problem']}" if said["problem"] else ""
        typer.echo(f"{channel:<10} {said['sent']} sent, {said['waiting']} waiting{problem}")


def _audit_status(folder: Path) -> dict[str, Any]:
    """How far the audit is, and how often it found what under the pack in force."""
    from regulator.findings import FindingRegister

    register = FindingRegister(folder)
    size, pack = register.audited()
    return {"size": size, "pack": pack, "findings": register.counts()}
