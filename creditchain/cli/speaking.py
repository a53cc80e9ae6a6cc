"""Speaking to the hub as a profile: events said and their receipts kept, failures as sentences."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final, TypeVar

import typer

from creditchain.cli.showing import NO_ANSWER, REFUSED, UNFIT, fail, tell

if TYPE_CHECKING:
    from pathlib import Path

    from creditchain.client.client import Client, RefusedByHub
    from creditchain.client.evidence import Receipt
    from creditchain.client.profile import Profile
    from creditchain.events import Body
    from creditchain.seal import Sealed

T = TypeVar("T")

_EXIT_CODES: Final = {
    "BAD_USER_INPUT": UNFIT,
    "NOT_DELIVERED": REFUSED,
    "NOT_FOUND": REFUSED,
    "OTHER_KEY": UNFIT,
    "REPORT_GONE": REFUSED,
}
"""Failures that will be the same however often one asks; the others may pass."""


def say(
    profile: str | None,
    as_json: bool,
    said: Body | Callable[[Client], Awaitable[Body]],
    told: Mapping[str, Any] | None = None,
    *,
    observed: bool = False,
    **extra: Any,
) -> None:
    """Submits an event, keeps its receipt and shows what became of it."""
    from creditchain.events import format_fields, format_time, parse_fields

    async def work(client: Client) -> tuple[Sealed, Receipt]:
        body = await said(client) if callable(said) else said
        # What cannot be read back is not sent: the fault is named here, not by the hub.
        parse_fields(type(body), format_fields(body), "body")
        sealed = client.signer.seal(body)
        return sealed, await submit(profile, client, sealed, observed, **extra)

    sealed, receipt = with_client(profile, work)
    facts = {
        "id": sealed.event.id,
        "type": sealed.event.type,
        "index": receipt.index,
        "at": format_time(receipt.at),
        "level": receipt.level.value,
        **(told or {}),
    }
    tell(
        as_json,
        facts,
        f"{sealed.event.type} {sealed.event.id}",
        f"entry {receipt.index}, {format_time(receipt.at)}, {receipt.level.value}",
        *(f"{name} {value}" for name, value in (told or {}).items()),
    )


async def submit(
    profile: str | None, client: Client, sealed: Sealed, observed: bool, **extra: Any
) -> Receipt:
    """Submits an event; its body and its receipt are kept, also one that is not yet cosigned."""
    from creditchain.client.client import HubUnreachable, NotObserved
    from creditchain.client.evidence import Level

    event_id, body, folder = sealed.event.id, sealed.body, receipts_folder(profile)
    try:
        level = Level.OBSERVED if observed else Level.CHECKPOINTED
        receipt = await client.submit(sealed, wait_for=level, **extra)
    except NotObserved:
        # Kept first: asking for the receipt may fail, and a receipt is nothing without its body.
        keep_evidence(folder, event_id, body, None)
        keep_evidence(folder, event_id, body, await client.receipt(sealed))
        raise
    except HubUnreachable as error:
        keep_evidence(folder, event_id, body, None)
        text = f"{error}; it may be on the log all the same: see `creditchain receipt {event_id}`"
        raise HubUnreachable(text) from None
    keep_evidence(folder, event_id, body, receipt)
    return receipt


def keep_evidence(folder: Path | None, id: str, body: bytes, receipt: Receipt | None) -> None:
    """Writes an event's body, and its receipt if there is one, into the folder if there is one."""
    from creditchain.client.verify import keep_receipt
    from creditchain.seal import Entry, format_entry

    if folder is None:
        return
    (folder / f"{id}.body").write_bytes(body)
    if receipt is not None:
        text = keep_receipt(receipt.proof, format_entry(Entry(receipt.at, receipt.commitment)))
        # Beside and then in its place: a lesser receipt kept before must not be lost half-way.
        new = folder / f"{id}.tlog-proof.new"
        new.write_text(text, encoding="utf-8")
        new.replace(folder / f"{id}.tlog-proof")


def _keep_refusal(profile: str | None, refused: RefusedByHub) -> None:
    from creditchain.client.evidence import commitment_of
    from creditchain.events import b64u

    folder = receipts_folder(profile)
    if folder is not None:
        name = b64u(commitment_of(refused.body))
        (folder / f"{name}.refusal").write_text(refused.note, encoding="utf-8")
        (folder / f"{name}.body").write_bytes(refused.body)


def receipts_folder(profile: str | None) -> Path | None:
    """The folder a profile keeps its evidence in, if it names one."""
    from creditchain.client.profile import load_profile

    folder = load_profile(profile).receipts
    if folder is not None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def with_profile(name: str | None, work: Callable[[Profile], T]) -> T:
    from creditchain.client.keys import BadKeyFile
    from creditchain.client.profile import BadProfile, load_profile

    try:
        return work(load_profile(name))
    except (BadProfile, BadKeyFile) as error:
        fail(UNFIT, str(error))
    except OSError as error:
        fail(UNFIT, f"{error.filename}: {error.strerror}")


def with_client(name: str | None, work: Callable[[Client], Awaitable[T]]) -> T:
    """What `work` gives with a client of the profile; its failures as sentences and exit codes."""
    import httpx2

    from creditchain.client.client import HubFailure, HubUnreachable, NotObserved, RefusedByHub
    from creditchain.client.evidence import BadEvidence
    from creditchain.client.report import BadReport
    from creditchain.client.token import SignInRefused
    from creditchain.client.verify import CannotReach
    from creditchain.events import MalformedEvent

    client = with_profile(name, lambda chosen: chosen.client())
    client.notice = lambda sentence: typer.echo(f"creditchain: {sentence}", err=True)

    async def run() -> T:
        async with client:
            return await work(client)

    try:
        return asyncio.run(run())
    except RefusedByHub as refused:
        _keep_refusal(name, refused)
        told = {"code": refused.code.value, "message": refused.message, "path": refused.path}
        fail(REFUSED, str(refused), {"refusal": {**told, "note": refused.note}})
    except BadReport as bad:
        for problem in bad.problems:
            typer.echo(f"{problem.code}: {problem.path or 'report'}: {problem.text}", err=True)
        facts = {"problems": [asdict(problem) for problem in bad.problems]}
        fail(REFUSED, "the report is not what was ordered and delivered", facts)
    except BadEvidence as error:
        fail(REFUSED, f"the hub's answer proves nothing: {error}")
    except MalformedEvent as error:
        fail(UNFIT, str(error))
    except CannotReach as error:
        fail(NO_ANSWER, str(error))
    except NotObserved as late:
        fail(
            NO_ANSWER,
            f"{late.id} is on the log as entry {late.index}, but not cosigned in time; "
            f"ask later with `creditchain receipt {late.id} --observed`",
            {"id": late.id, "index": late.index},
        )
    except SignInRefused as refused_sign_in:
        fail(UNFIT, f"the hub does not let you in: {refused_sign_in}")
    except HubFailure as error:
        fail(_EXIT_CODES.get(error.code, NO_ANSWER), str(error))
    except (HubUnreachable, httpx2.HTTPError) as error:
        fail(NO_ANSWER, str(error))


def stop_on_signals() -> asyncio.Event:
    """An event that SIGTERM and SIGINT set."""
    import signal

    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop
