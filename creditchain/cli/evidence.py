"""The evidence bundle of an order: one file with which anybody verifies what became of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from creditchain.cli.showing import REFUSED, UNFIT, AsJson, fail, progress, tell
from creditchain.cli.speaking import with_client, with_profile
from creditchain.cli.words import OrderId, ProfileName

if TYPE_CHECKING:
    from creditchain.client.client import Client
    from creditchain.client.order_evidence import Gathered


def evidence(
    order: OrderId,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The new zip file; else ORDER.zip here.")
    ] = None,
    whole: Annotated[
        bool, typer.Option("--whole", help="Also events whose signer's key you may not read.")
    ] = False,
    profile: ProfileName = None,
    as_json: AsJson = False,
) -> None:
    """Gather all you may read about an order in one file, for `creditchain verify bundle`.

    An event whose signer's key only its institution and the regulator may read cannot be verified
    from here: it is named and left out, unless --whole. The regulator's bundle has them all.
    """
    from creditchain.client.bundle import verify_bundle, write_bundle
    from creditchain.client.verify import CannotReach

    path = out or Path(f"{order}.zip")
    if path.exists():
        fail(UNFIT, f"{path}: exists already")
    genesis, policy, trust = with_profile(
        profile, lambda chosen: (chosen.genesis.read_bytes(), chosen.policy_text(), chosen.trust())
    )

    async def work(client: Client) -> Gathered:
        from creditchain.client.order_evidence import gather_order

        with progress(as_json, "entries", None) as advance:
            return await gather_order(client, order, advance)

    gathered = with_client(profile, work)
    out_of = set() if whole else {index for index, _ in gathered.unsigned}
    events = [event for event in gathered.events if event.index not in out_of]
    left_out = [f"{kind} (entry {index})" for index, kind in gathered.unsigned if not whole]
    try:
        write_bundle(path, genesis, policy, trust.origin, events)
        verdict = verify_bundle(path, trust)
    except OSError as error:
        fail(UNFIT, f"{path}: {error.strerror}")
    except CannotReach as error:
        fail(UNFIT, str(error))
    facts = {"path": str(path), "leftOut": left_out, **verdict.to_json()}
    if not verdict.ok:
        text = f"{path} was written, and lacks what a verifier needs, as far as you may read it"
        fail(REFUSED, f"{text}: {'; '.join(verdict.problems)}", facts)
    lines = [f"left out, the signer's key is not yours to read: {what}" for what in left_out]
    types = ", ".join(f"{count} {name}" for name, count in verdict.facts["types"].items())
    tell(as_json, facts, f"{path}: {verdict.facts['events']} events, verified", types, *lines)
