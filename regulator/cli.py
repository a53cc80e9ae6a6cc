"""The regulator's command line.

Exit codes: 0 all is well; 1 something is wrong with the log or the copy (a finding, a problem); 2 a
setting, a file or the command is unfit; 3 the hub gave no usable answer; 4 our own database cannot
be used.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Coroutine
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn, TypeVar

import typer

T = TypeVar("T")

WRONG: Final = 1
UNFIT: Final = 2
NO_ANSWER: Final = 3
DATABASE: Final = 4

app = typer.Typer(
    name="regulator",
    help="The observer: follows a hub's log, verifies and replays it, cosigns what it has seen.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Folder = Annotated[
    Path, typer.Option("--data", "-d", help="The observer's folder.", envvar="REGULATOR_DATA")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]

_HERE: Final = Path("observer")


@app.command()
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
    data: Folder = _HERE,
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
        _fail(UNFIT, str(error))
    if as_json:
        _print_json({"vkeys": vkeys, "service": public.to_json(), "serviceKid": public.kid})
        return
    for cosigner, vkey in vkeys.items():
        typer.echo(f"witness {cosigner} {vkey} http://127.0.0.1:{port}/{cosigner}")
    typer.echo(f"# service key {public.kid}, to be registered for {actor or 'the regulator'}:")
    typer.echo(f"# {json.dumps(public.to_json())}")


@app.command()
def serve(data: Folder = _HERE) -> None:
    """Follow the hub and answer over HTTP until stopped."""
    from creditchain.logs import set_up_logs
    from regulator.serve import serve as run

    config = _load(data)
    set_up_logs(config.log_level)
    _run(lambda: run(config))


@app.command()
def follow(
    once: Annotated[
        bool, typer.Option("--once", help="Follow to the newest checkpoint and end.")
    ] = False,
    data: Folder = _HERE,
    as_json: AsJson = False,
) -> None:
    """Follow the hub without answering over HTTP."""
    from creditchain.logs import set_up_logs
    from regulator.api import describe
    from regulator.serve import assemble

    config = _load(data)
    set_up_logs(config.log_level)

    async def run() -> dict[str, Any]:
        async with assemble(config) as observer:
            if not once:
                await observer.follower.run()
            await observer.follower.once()
            return await describe(observer)

    status_now = _run(run)
    _print_status(status_now, as_json=as_json)
    if status_now["violations"]:
        raise typer.Exit(WRONG)


@app.command()
def status(data: Folder = _HERE, as_json: AsJson = False) -> None:
    """How far the observer is and what it found, from its database; it may be running."""
    from regulator.config import COSIGNERS
    from regulator.database import open_database
    from regulator.observer import DATABASE_NAME
    from regulator.reading import read_copy, read_findings, read_holes, read_signed

    config = _load(data)
    path = config.folder / DATABASE_NAME
    if not path.exists():
        _fail(DATABASE, f"{path} is not there yet; run `regulator serve`")

    async def run() -> dict[str, Any]:
        with open_database(path, readers=True) as engine:
            findings = read_findings(engine, 20)
            missing, erased = read_holes(engine)
            heads = {name: read_signed(engine, name) for name in COSIGNERS}
            return {
                **read_copy(engine),
                "cosigned": {
                    name: {"size": s.head.size if s else 0, "cosignedAt": s.time_s if s else None}
                    for name, s in heads.items()
                },
                "bodies": {"missing": missing, "erased": erased},
                "violations": findings.certain,
                "uncertain": findings.uncertain,
                "findings": {"byCode": findings.by_code, "newest": findings.newest},
            }

    now = _run(run)
    _print_status(now, as_json=as_json)
    if now["violations"]:
        raise typer.Exit(WRONG)


@app.command()
def export(
    out: Annotated[Path, typer.Option("--out", help="The file to write; it must be new.")],
    start: Annotated[int, typer.Option("--from", min=0, help="The first entry's index.")] = 0,
    data: Folder = _HERE,
    as_json: AsJson = False,
) -> None:
    """Write our copy from an entry on to a file, for a hub that lost the end of its log.

    Entries, bodies, and the newest checkpoint the log has signed; `creditchain hub recover` reads
    it. The observer may be running.
    """
    from regulator.database import open_database
    from regulator.observer import DATABASE_NAME
    from regulator.reading import NothingToExport, export

    path = _load(data).folder / DATABASE_NAME
    if not path.exists():
        _fail(DATABASE, f"{path} is not there yet; run `regulator serve`")

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
        size, missing = _run(run)
    except (NothingToExport, OSError) as error:
        _fail(UNFIT, str(error))
    if as_json:
        _print_json({"start": start, "size": size, "withoutBody": missing})
    else:
        typer.echo(f"wrote entries {start} to {size - 1} to {out}, {missing} without a body")


@app.command()
def check(data: Folder = _HERE, as_json: AsJson = False) -> None:
    """Verify and replay our own copy again, from the first entry, without the hub."""
    from creditchain.logs import set_up_logs
    from regulator.check import check_copy
    from regulator.config import load_genesis

    config = _load(data)
    set_up_logs("error")
    genesis = load_genesis(config)
    verdict = _run(lambda: check_copy(config.folder, genesis, config.processes or None))
    if as_json:
        _print_json(asdict(verdict))
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


def main() -> None:
    """The program."""
    app()


def _load(data: Path) -> Any:
    from regulator.config import BadConfig, load_config

    try:
        environ = {k: v for k, v in os.environ.items() if k != "REGULATOR_DATA"}
        return load_config(data / "observer.toml", environ)
    except BadConfig as error:
        _fail(UNFIT, str(error))


def _run(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run it; each family of errors has its exit code."""
    from sqlalchemy.exc import DatabaseError

    from regulator.config import BadConfig
    from regulator.cosign import Behind
    from regulator.database import DatabaseUnusable
    from regulator.feed import FeedFault
    from regulator.mirror import CopyDamaged
    from regulator.register import BadRegister, RegisterNotWritten
    from regulator.verify import NotInTree

    try:
        return asyncio.run(work())
    except KeyboardInterrupt:
        raise typer.Exit(0) from None
    except (BadConfig, BadRegister) as error:
        _fail(UNFIT, str(error))
    except FeedFault as error:
        _fail(NO_ANSWER, str(error))
    except (NotInTree, Behind) as error:
        _fail(WRONG, str(error))
    except (DatabaseUnusable, CopyDamaged, DatabaseError, RegisterNotWritten) as error:
        _fail(DATABASE, str(error))


def _fail(code: int, text: str) -> NoReturn:
    typer.echo(text, err=True)
    raise typer.Exit(code)


def _print_json(value: object) -> None:
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))


def _print_status(now: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        _print_json(now)
        return
    typer.echo(f"log        {now['origin']}")
    typer.echo(f"copy       {now['size']} entries, root {now['root']}")
    for name, head in now["cosigned"].items():
        typer.echo(f"{name:<10} cosigned {head['size']}")
    bodies = now["bodies"]
    typer.echo(f"bodies     {bodies['missing']} missing, {bodies['erased']} erased")
    typer.echo(f"violations {now['violations']} certain, {now['uncertain']} uncertain")
    for code, count in sorted(now["findings"]["byCode"].items()):
        typer.echo(f"  {code} {count}")
