"""Founding a consortium, and serving its hub."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from creditchain.cli.showing import UNFIT, AsJson, fail, tell

if TYPE_CHECKING:
    from creditchain.config import HubConfig

Folder = Annotated[Path, typer.Option("--data", "-d", help="The folder of `found`.")]

hub_app = typer.Typer(name="hub", help="The hub: admits, orders, publishes.", no_args_is_help=True)


def found(
    name: Annotated[str, typer.Option(help="The consortium's name.")],
    origin: Annotated[str, typer.Option(help="The log's name, e.g. hub.example/log.")],
    data: Annotated[Path, typer.Option("--data", "-d", help="The folder to make it in.")],
    regulator: Annotated[str, typer.Option(help="The regulator's member id.")] = "regulator",
    regulator_name: Annotated[str, typer.Option(help="The regulator's name.")] = "Regulator",
    operator: Annotated[str, typer.Option(help="The operator's member id.")] = "operator",
    operator_name: Annotated[str, typer.Option(help="The operator's name.")] = "Operator",
    region: Annotated[str, typer.Option(help="GB/T 2260 code of both.")] = "000000",
    port: Annotated[int, typer.Option(help="The port the hub listens on.")] = 8400,
    observer: Annotated[
        list[str] | None,
        typer.Option(help="An observer's key, as `name vkey` or `name vkey url`; repeat for more."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Found a consortium: genesis, the hub's folder, and the first two members' keys and profiles.

    For a trial on one machine. In earnest the regulator makes its own key and signs the genesis
    elsewhere: `creditchain.founding` has the steps one by one.
    """
    from creditchain.client.keys import BadKeyFile, generate_key, save_key, write_private
    from creditchain.client.profile import format_profile
    from creditchain.ed25519 import BadKey
    from creditchain.events import b64u
    from creditchain.events.consortium import Founder
    from creditchain.founding import (
        FoundingRefused,
        ObserverKey,
        found_hub,
        new_hub_keys,
        write_genesis,
    )
    from creditchain.tlog.note import format_vkey

    observers = []
    for text in observer or []:
        words = text.split()
        if len(words) not in {2, 3}:
            fail(UNFIT, f"--observer {text!r}: give a name, a vkey and perhaps a URL")
        observers.append(ObserverKey(*words))
    people = {regulator: generate_key(), operator: generate_key()}
    try:
        keys = new_hub_keys(origin, people[operator])
        genesis = write_genesis(
            data / "genesis.body",
            name=name,
            regulator=Founder(regulator, regulator_name, region, people[regulator].public),
            regulator_key=people[regulator],
            operator=Founder(operator, operator_name, region, people[operator].public),
            log_key=format_vkey(keys.log.verifier),
            refusal_key=format_vkey(keys.refusal.verifier),
        )
        found_hub(data, genesis.body, keys, observer=observers, settings={"port": port})
        for member, key in people.items():
            folder = data / "members" / member
            save_key(folder / "key.json", key)
            profile = {
                "url": f"http://127.0.0.1:{port}",
                "actor": member,
                "key": "key.json",
                "genesis": "../../genesis.body",
                "policy": "../../hub/policy",
                "receipts": "receipts",
            }
            write_private(folder / "profile.toml", format_profile(profile).encode())
    except (FoundingRefused, BadKeyFile, BadKey, ValueError) as error:
        fail(UNFIT, str(error))
    profiles = {member: str(data / "members" / member / "profile.toml") for member in people}
    tell(
        as_json,
        {"log": origin, "genesis": b64u(genesis.commitment), "profiles": profiles},
        f"Founded {name}; its log is {origin}.",
        f"Pin this founding: {b64u(genesis.commitment)}",
        f"Serve it: creditchain hub serve --data {data}",
        *(f"Speak as {member}: -p {path}" for member, path in profiles.items()),
    )


@hub_app.command("serve")
def hub_serve(
    data: Folder,
    new_private_store: Annotated[
        bool,
        typer.Option(
            "--new-private-store", help="private.db is lost for good: begin with an empty one."
        ),
    ] = False,
) -> None:
    """Serve until SIGTERM or SIGINT; settings are in hub/hub.toml and CREDITCHAIN_… variables."""
    from creditchain.hub import serve

    raise typer.Exit(serve(_load(data), new_private_store=new_private_store))


@hub_app.command("recover")
def hub_recover(
    data: Folder,
    entries: Annotated[
        Path, typer.Option("--entries", help="What `regulator export` wrote at the observer.")
    ],
    as_json: AsJson = False,
) -> None:
    """Append to a ledger restored from an older copy the entries that the observer still has.

    The hub is stopped. Verifies everything first; run it again if it was cut short.
    """
    from creditchain.hub import EXIT_REFUSED, HubRefused, recover

    try:
        done = recover(_load(data), entries)
    except HubRefused as error:
        fail(EXIT_REFUSED, str(error))
    lines = [f"The log had {done.before} entries and now has {done.size}."]
    if not done.registered:
        lines.append(
            "The head register is missing: creditchain hub renew-register --observer-size SIZE"
        )
    tell(
        as_json,
        {"before": done.before, "size": done.size, "registered": done.registered},
        *lines,
    )


@hub_app.command("renew-register")
def hub_renew_register(
    data: Folder,
    observer_size: Annotated[
        int, typer.Option("--observer-size", min=1, help="The size in the observer's /status.")
    ],
    as_json: AsJson = False,
) -> None:
    """Write a new head register from the database, where the old one is lost for good.

    Ask the observer for its size: a register made from an older copy would fork the log.
    """
    from creditchain.hub import EXIT_REFUSED, HubRefused, renew_register

    try:
        head = renew_register(_load(data), observer_size)
    except HubRefused as error:
        fail(EXIT_REFUSED, str(error))
    tell(as_json, {"size": head.size}, f"The head register now says {head.size} entries.")


def _load(data: Path) -> HubConfig:
    from creditchain.config import BadConfig, load_config

    environ = {name: text for name, text in os.environ.items() if name != "CREDITCHAIN_PROFILE"}
    try:
        return load_config(data / "hub" / "hub.toml", environ)
    except BadConfig as error:
        fail(UNFIT, str(error))
