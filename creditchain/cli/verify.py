"""Verifying offline: receipts, refusals, the evidence of an order, whole logs."""

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
    help="Verify offline: receipts, refusals, the evidence of an order, whole logs.",
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


@verify_app.command("evidence")
def verify_evidence(
    path: Annotated[Path, typer.Argument(help="The evidence, a zip file or the unpacked folder.")],
    founding: Annotated[
        str | None, typer.Option(help="The founding's commitment that you trust.")
    ] = None,
    complete: Annotated[
        bool, typer.Option("--complete", help="No author may be unshown, nothing cited absent.")
    ] = False,
    genesis: Genesis = None,
    policy: PolicyFile = None,
    log_key: LogKey = None,
    profile: ProfileName = None,
    as_json: AsJson = False,
) -> None:
    """Verify offline every event of an order's evidence; unpinned, by its own founding."""
    from creditchain.client.bundle_check import verify_bundle
    from creditchain.client.judged import Pins
    from creditchain.client.verify import CannotReach

    trust, body = _trusted(profile, genesis, policy, log_key, None)
    pins = Pins.of_trust(trust, body)
    if founding is not None:
        pins = Pins(_commitment(founding), pins.policy)
    try:
        verdict = verify_bundle(path, pins)
    except CannotReach as error:
        fail(UNFIT, str(error))
    if complete and (verdict.facts.get("unshown") or verdict.facts.get("absent")):
        verdict.blame("not complete: an author is not shown, or something cited is absent")
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
            if value and isinstance(value, list) and isinstance(value[0], dict):
                for item in value:
                    typer.echo(f"{name}: {readable(item)}")
            else:
                typer.echo(f"{name}: {readable(value)}")
        for problem in verdict.problems:
            typer.echo(f"PROBLEM: {problem}")
        shown = "verified"
        if verdict.what == "log" and not verdict.facts.get("bodies") and verdict.facts.get("size"):
            shown = "verified: tiles and entries; no body could be read"
        if verdict.facts.get("foundingPinned") is verdict.facts.get("policyPinned") is False:
            shown = "agrees with its own founding: compare that with the one you were given"
        if verdict.ok and verdict.facts.get("cover") == "OTHER":
            typer.echo("cover.html is its maker's own page: it says what was not verified here")
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


def _commitment(text: str) -> bytes:
    """The 32 bytes of a commitment in base64url or hex."""
    from creditchain.events import unb64u

    try:
        raw = bytes.fromhex(text) if len(text) == 64 else unb64u(text)
    except ValueError:
        raw = b""
    if len(raw) != 32:
        fail(UNFIT, f"{text[:80]!r} is no commitment: 43 characters of base64url, or 64 of hex")
    return raw


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
