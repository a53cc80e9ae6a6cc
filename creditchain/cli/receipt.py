"""The receipt of what was said before: asked for again, checked and kept."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from creditchain.cli.showing import NO_ANSWER, REFUSED, UNFIT, AsJson, fail, tell
from creditchain.cli.speaking import keep_evidence, receipts_folder, with_client, with_profile
from creditchain.cli.words import EventId, ProfileName

if TYPE_CHECKING:
    from creditchain.client.client import Client
    from creditchain.client.evidence import Receipt


def receipt(
    id: EventId,
    observed: Annotated[
        bool, typer.Option("--observed", help="The regulator must have cosigned it.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="A folder, instead of the profile's.")
    ] = None,
    profile: ProfileName = None,
    as_json: AsJson = False,
) -> None:
    """Fetch an event's best receipt, verify it and keep it with the body, as ID.tlog-proof."""
    from creditchain.client.evidence import Level
    from creditchain.events import format_time

    folder = out or with_profile(profile, lambda _chosen: receipts_folder(profile))
    if folder is None:
        fail(UNFIT, "the profile names no folder for receipts: name one with --out")

    async def work(client: Client) -> tuple[bytes, Receipt]:
        found = await client.find_receipt(id, _kept_body(folder, id))
        if found is None:
            fail(REFUSED, f"there is no event {id}, or its body is not yours to read")
        return found

    body, best = with_client(profile, work)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        keep_evidence(folder, id, body, best)
    except OSError as error:
        fail(UNFIT, f"{error.filename}: {error.strerror}")
    facts = {"id": id, "index": best.index, "at": format_time(best.at), "level": best.level.value}
    kept = str(folder / f"{id}.tlog-proof")
    if observed and best.level is not Level.OBSERVED:
        fail(NO_ANSWER, f"entry {best.index} is not cosigned yet; ask later", facts)
    tell(
        as_json,
        {**facts, "kept": kept},
        f"entry {best.index}, {format_time(best.at)}, {best.level.value}",
        f"kept as {kept}",
    )


def _kept_body(folder: Path, id: str) -> bytes | None:
    """The body as we signed it: what the hub shows is not needed then."""
    try:
        return (folder / f"{id}.body").read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        fail(UNFIT, f"{error.filename}: {error.strerror}")
