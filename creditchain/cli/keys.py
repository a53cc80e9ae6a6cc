"""Private keys, in files that only their owner can read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from creditchain.cli.showing import UNFIT, AsJson, fail, tell
from creditchain.cli.words import public_key_in

if TYPE_CHECKING:
    from creditchain.events import PublicKey

keys_app = typer.Typer(
    name="keys", help="Private keys, in files that only you can read.", no_args_is_help=True
)


@keys_app.command("new")
def keys_new(
    path: Annotated[Path, typer.Argument(help="The new file; an old one is never overwritten.")],
    use: Annotated[str, typer.Option(help="sign, sign-es256, or seal (open reports).")] = "sign",
    as_json: AsJson = False,
) -> None:
    """Make a private key; only its public half is shown."""
    from creditchain.client.keys import (
        ED25519,
        ES256,
        HPKE_X25519,
        BadKeyFile,
        generate_key,
        save_key,
    )

    algorithms = {"sign": ED25519, "sign-es256": ES256, "seal": HPKE_X25519}
    if use not in algorithms:
        fail(UNFIT, f"--use is one of {', '.join(algorithms)}")
    key = generate_key(algorithms[use])
    try:
        save_key(path, key)
    except BadKeyFile as error:
        fail(UNFIT, str(error))
    _show_key(as_json, key.public)


@keys_app.command("show")
def keys_show(
    path: Annotated[Path, typer.Argument(help="A key file.")], as_json: AsJson = False
) -> None:
    """Show the public half of a key: with --json the JWK to hand to others."""
    _show_key(as_json, public_key_in(path))


def _show_key(as_json: bool, public: PublicKey) -> None:
    jwk = {**public.to_json(), "kid": public.kid}
    tell(as_json, jwk, f"{public.alg} {public.kid}", json.dumps(public.to_json()))
