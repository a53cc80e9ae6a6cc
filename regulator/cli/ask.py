"""Asking a running observer in GraphQL, signed in as an officer of the regulator."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from creditchain.cli.words import ProfileName
from regulator.cli.running import HERE, NO_ANSWER, UNFIT, Folder, fail, load, own_url, print_json

if TYPE_CHECKING:
    from creditchain.client.signer import Signer

PATIENCE_S: Final = 120.0
"""Figures over a long log are counted within this time."""


def ask(
    document: Annotated[
        str,
        typer.Argument(
            help="A GraphQL document, the name of one in graphql/operations/observer, or - to "
            "read it from standard input."
        ),
    ],
    variables: Annotated[str, typer.Option(help="Its variables, as a JSON object.")] = "{}",
    profile: ProfileName = None,
    url: Annotated[
        str | None, typer.Option(help="Where the observer is; the one of --data if left out.")
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="And what it is called: the name its keys bear.")
    ] = None,
    data: Folder = HERE,
) -> None:
    """Ask a running observer any GraphQL query, as an auditor; prints the answer as JSON."""
    try:
        values = json.loads(variables)
    except ValueError as error:
        fail(UNFIT, f"--variables: {error}")
    if not isinstance(values, dict):
        fail(UNFIT, "--variables: not a JSON object")
    if (url is None) != (name is None):
        fail(UNFIT, "--url and --name go together")
    if url is None or name is None:
        url, name = _observer_of(data)
    answer = _answer(url.rstrip("/"), f"{name}/token", _signer(profile), _text(document), values)
    print_json(answer)
    if answer.get("errors"):
        raise typer.Exit(NO_ANSWER)


def _observer_of(data: Path) -> tuple[str, str]:
    """Address and name of the observer that runs in this folder."""
    config = load(data)
    return own_url(config), config.name


def _signer(profile: str | None) -> Signer:
    from creditchain.client.keys import BadKeyFile, load_key
    from creditchain.client.profile import BadProfile, load_profile
    from creditchain.client.signer import Signer

    try:
        chosen = load_profile(profile)
        return Signer(chosen.actor, load_key(chosen.key), chosen.trust().origin)
    except (BadProfile, BadKeyFile, ValueError) as error:
        fail(UNFIT, str(error))


def _text(document: str) -> str:
    from creditchain.documents import DOCUMENTS

    if document == "-":
        return sys.stdin.read()
    path = DOCUMENTS / "operations" / "observer" / f"{document}.graphql"
    if document.isidentifier() and path.is_file():
        return path.read_text(encoding="utf-8")
    return document


def _answer(
    url: str, audience: str, signer: Signer, text: str, variables: dict[str, Any]
) -> dict[str, Any]:
    """What the observer answers; ends the program when it does not."""
    import asyncio

    import httpx2

    from creditchain.client.token import SignInRefused, Tokens

    async def work() -> object:
        async with httpx2.AsyncClient(trust_env=False, timeout=PATIENCE_S) as http:
            tokens = Tokens(http, f"{url}/token", signer, audience)
            bearer = {"authorization": f"Bearer {await tokens.token()}"}
            request = {"query": text, "variables": variables}
            response = await http.post(f"{url}/graphql", json=request, headers=bearer)
            return response.json()

    try:
        answer = asyncio.run(work())
    except SignInRefused as refused:
        fail(UNFIT, f"the observer lets in the regulator's auditors alone: {refused}")
    except httpx2.HTTPError as error:
        fail(NO_ANSWER, f"{url} does not answer: {error}")
    except ValueError:
        fail(NO_ANSWER, f"{url} does not answer in JSON: it is no observer")
    if not isinstance(answer, dict):
        fail(NO_ANSWER, f"{url} does not answer in GraphQL: it is no observer")
    return answer
