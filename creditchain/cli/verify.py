"""Verifying offline: receipts, refusals, evidence bundles, whole logs."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from creditchain.cli.showing import (
    NO_ANSWER,
    REFUSED,
    UNFIT,
    AsJson,
    fail,
    print_json,
    progress,
    readable,
)
from creditchain.cli.speaking import with_client, with_profile
from creditchain.cli.words import ProfileName, read_file, time_of

if TYPE_CHECKING:
    from creditchain.client.client import Client
    from creditchain.client.verify import Verdict

verify_app = typer.Typer(
    name="verify",
    help="Verify offline: receipts, refusals, evidence bundles, whole logs.",
    no_args_is_help=True,
)

Genesis = Annotated[Path | None, typer.Option("--genesis", help="The founding that you trust.")]
PolicyFile = Annotated[Path | None, typer.Option("--policy", help="The C2SP policy you trust.")]
LogKey = Annotated[str | None, typer.Option("--log-key", help="The log's vkey.")]
RefusalKey = Annotated[str | None, typer.Option("--refusal-key", help="The refusal vkey.")]


@verify_app.command("receipt")
def verify_a_receipt(
    proof: Annotated[Path, typer.Argument(help="The .tlog-proof file.")],
    body: Annotated[Path, typer.Option(help="The event's body.")],
    at: Annotated[
        str | None, typer.Option(help="When it was admitted, if the file does not say.")
    ] = None,
    observed: Annotated[
        bool, typer.Option("--observed", help="The regulator must have it.")
    ] = False,
    genesis: Genesis = None,
    policy: PolicyFile = None,
    log_key: LogKey = None,
    profile: ProfileName = None,
    as_json: AsJson = False,
) -> None:
    """Verify offline that an event is on the log."""
    from creditchain.client.evidence import Level
    from creditchain.client.verify import verify_receipt

    trust, _ = _trusted(profile, genesis, policy, log_key, None)
    time = None if at is None else time_of(at)
    level = Level.OBSERVED if observed else Level.CHECKPOINTED
    text = read_file(proof).decode("utf-8", "replace")
    _judge(as_json, verify_receipt(text, read_file(body), _pinned(trust), at=time, level=level))


@verify_app.command("refusal")
def verify_a_refusal(
    note: Annotated[Path, typer.Argument(help="The signed refusal.")],
    body: Annotated[Path | None, typer.Option(help="The body of the event refused.")] = None,
    genesis: Genesis = None,
    policy: PolicyFile = None,
    log_key: LogKey = None,
    refusal_key: RefusalKey = None,
    profile: ProfileName = None,
    as_json: AsJson = False,
) -> None:
    """Verify offline that the hub refused an event, and why."""
    from creditchain.client.verify import verify_refusal

    trust, _ = _trusted(profile, genesis, policy, log_key, refusal_key)
    refused = None if body is None else read_file(body)
    _judge(as_json, verify_refusal(read_file(note), _pinned(trust), refused))


@verify_app.command("bundle")
def verify_a_bundle(
    path: Annotated[Path, typer.Argument(help="The evidence bundle, a zip file.")],
    genesis: Genesis = None,
    policy: PolicyFile = None,
    log_key: LogKey = None,
    profile: ProfileName = None,
    as_json: AsJson = False,
) -> None:
    """Verify offline every event of an evidence bundle; without a pin, by its own founding."""
    from creditchain.client.bundle import verify_bundle
    from creditchain.client.verify import CannotReach

    trust, _ = _trusted(profile, genesis, policy, log_key, None)
    try:
        verdict = verify_bundle(path, trust)
    except CannotReach as error:
        fail(UNFIT, str(error))
    _judge(as_json, verdict)


@verify_app.command("log")
def verify_a_log(
    where: Annotated[str, typer.Argument(help="A URL (https://hub.example/log) or a folder.")],
    complete: Annotated[
        bool, typer.Option("--complete", help="You may read every body: none may be missing.")
    ] = False,
    checkpoint: Annotated[
        Path | None, typer.Option(help="A checkpoint of your own, instead of the newest.")
    ] = None,
    genesis: Genesis = None,
    policy: PolicyFile = None,
    log_key: LogKey = None,
    profile: ProfileName = None,
    as_json: AsJson = False,
) -> None:
    """Verify a whole log: every tile, every entry, every body at hand, every signature."""
    from creditchain.client.verify import CannotReach, LogFolder, LogUrl, verify_log

    trust, founding = _trusted(profile, genesis, policy, log_key, None)
    note = None if checkpoint is None else read_file(checkpoint)
    try:
        if where.startswith(("http://", "https://")):
            token = None if profile is None else _token(profile)
            files: Any = LogUrl(where, token)
        else:
            if not Path(where).is_dir():
                fail(UNFIT, f"{where}: no such folder, and no URL")
            files = LogFolder(Path(where))
        with closing(files), progress(as_json, "entries", None) as advance:
            verdict = verify_log(
                files,
                _pinned(trust),
                genesis=founding,
                checkpoint=note,
                complete=complete,
                progress=advance,
            )
    except CannotReach as error:
        # A folder that lacks something will lack it tomorrow; a hub may answer then.
        fail(NO_ANSWER if "://" in where else UNFIT, f"{where}: {error}")
    _judge(as_json, verdict)


def _judge(as_json: bool, verdict: Verdict) -> NoReturn:
    if as_json:
        print_json(verdict.to_json())
    else:
        for name, value in verdict.facts.items():
            typer.echo(f"{name}: {readable(value)}")
        for problem in verdict.problems:
            typer.echo(f"PROBLEM: {problem}")
        shown = "verified"
        if verdict.what == "log" and not verdict.facts.get("bodies") and verdict.facts.get("size"):
            shown = "verified: tiles and entries; no body could be read"
        typer.echo(f"{verdict.what}: {shown if verdict.ok else 'NOT VERIFIED'}")
    raise typer.Exit(0 if verdict.ok else REFUSED)


def _trusted(
    profile: str | None,
    genesis: Path | None,
    policy: Path | None,
    log_key: str | None,
    refusal_key: str | None,
) -> tuple[Any, bytes | None]:
    """What a person named to trust, else what the profile trusts."""
    from creditchain.client.evidence import BadEvidence
    from creditchain.client.verify import CannotReach, trust_of_files

    try:
        trust, body = trust_of_files(genesis, policy, log_key, refusal_key)
    except (BadEvidence, CannotReach) as error:
        fail(UNFIT, str(error))
    if trust is None and profile is not None:
        return with_profile(profile, lambda p: (p.trust(), p.genesis.read_bytes()))
    return trust, body


def _pinned(trust: Any) -> Any:
    if trust is None:
        fail(UNFIT, "name what you trust: --genesis, --policy, --log-key, or a profile")
    return trust


def _token(profile: str) -> Callable[[], str]:
    """A token of the profile's, to read what the log gives to members only."""

    def token() -> str:
        async def work(client: Client) -> str:
            return await client.token()

        return with_client(profile, work)

    return token
