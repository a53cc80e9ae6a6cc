"""The evidence of an order: one file with which anybody verifies what became of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from creditchain.cli.showing import REFUSED, UNFIT, AsJson, fail, progress, tell
from creditchain.cli.speaking import with_client, with_profile
from creditchain.cli.words import OrderId, ProfileName

if TYPE_CHECKING:
    from creditchain.client.bundle import BundledEvent
    from creditchain.client.client import Client


def evidence(
    order: OrderId,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The new zip file; else ORDER.zip here.")
    ] = None,
    profile: ProfileName = None,
    as_json: AsJson = False,
) -> None:
    """Gather all you may read about an order in one file that anybody can verify offline.

    It is signed with your key. Where the key of an event's signer is not yours to read, the file
    shows that the event is on the log and says that its author is not shown; the regulator's own
    file shows it.
    """
    from creditchain.client.bundle_check import make_bundle
    from creditchain.client.keys import load_key

    path = out or Path(f"{order}.zip")
    if path.exists():
        fail(UNFIT, f"{path}: exists already")
    key, policy = with_profile(profile, lambda p: (load_key(p.key), p.policy_text()))
    maker = ""

    async def work(client: Client) -> list[BundledEvent]:
        from creditchain.client.order_evidence import gather_order

        nonlocal maker
        maker = client.signer.actor
        with progress(as_json, "entries", None) as advance:
            return await gather_order(client, order, advance)

    events = with_client(profile, work)
    bundle, verdict = make_bundle(order, maker, key, policy, events)
    facts = {"path": str(path), **verdict.to_json()}
    if not verdict.ok:
        text = f"nothing was written, what the hub shows does not verify: {verdict.problems[0]}"
        fail(REFUSED, text, facts)
    try:
        with path.open("xb") as file:
            file.write(bundle)
    except OSError as error:
        fail(UNFIT, f"{path}: {error.strerror}")
    lines = [f"on the log, author not shown: entry {index}" for index in verdict.facts["unshown"]]
    lines += [f"cited, not in it: {a['what']} {a['id']}" for a in verdict.facts["absent"]]
    shown = len(verdict.facts["events"])
    tell(as_json, facts, f"{path}: {shown} events, verified; open cover.html in it", *lines)
