"""Enterprises: vouched for once, and objecting to what is recorded about them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from creditchain.cli.asking import show_list
from creditchain.cli.showing import AsJson
from creditchain.cli.speaking import say
from creditchain.cli.words import (
    KeyFile,
    ProfileName,
    code_of,
    event_id_given,
    event_id_of,
    public_key_in,
    read_file,
    uscc_of,
)

objection_app = typer.Typer(
    name="objection", help="Objections to what is recorded.", no_args_is_help=True
)


def enrol(
    name: Annotated[str, typer.Option(help="The registered name, for the directory only.")],
    uscc: Annotated[str, typer.Option(help="Unified Social Credit Code.")],
    region: Annotated[str, typer.Option(help="GB/T 2260 code.")],
    key: KeyFile,
    authority: Annotated[Path, typer.Option(help="The paper that proves the person's authority.")],
    form: Annotated[
        str | None, typer.Option(help="ENTERPRISE, SOLE_TRADER or COOPERATIVE.")
    ] = None,
    profile: ProfileName = None,
    as_json: AsJson = False,
) -> None:
    """Vouch for an enterprise: a fresh opaque id, and the key its authorised person signs with."""
    from creditchain.client.fresh import fresh_enterprise_id, fresh_row, fresh_salt
    from creditchain.events import b64u, unb64u
    from creditchain.events.codes import LegalForm
    from creditchain.events.enterprise import EnterpriseEnrolled
    from creditchain.fingerprint import fingerprint

    enterprise, (row, identity) = fresh_enterprise_id(), fresh_row(name=name, uscc=uscc_of(uscc))
    salt = fresh_salt()
    paper = b64u(fingerprint(unb64u(salt), read_file(authority)))
    in_law = None if form is None else code_of(LegalForm, form)
    body = EnterpriseEnrolled(enterprise, identity, region, public_key_in(key), paper, in_law)
    # Whoever keeps the paper needs its salt, to show one day that it is the one.
    told = {"enterprise": enterprise, "authoritySalt": salt}
    say(profile, as_json, body, told, directory=row)


@objection_app.command("raise")
def objection_raise(
    holder: Annotated[str, typer.Argument(help="The member that holds what is wrong.")],
    section: Annotated[str, typer.Option(help="The section objected to.")],
    text: Annotated[str, typer.Option(help="What is wrong, for the directory only.")],
    order: Annotated[
        str | None,
        typer.Option(help="The order whose report showed it.", callback=event_id_given),
    ] = None,
    profile: ProfileName = None,
    as_json: AsJson = False,
) -> None:
    """Object to what is recorded about you. By the enterprise."""
    from creditchain.client.fresh import fresh_row
    from creditchain.events.codes import Section
    from creditchain.events.objection import ObjectionRaised

    row, digest = fresh_row(text=text)
    body = ObjectionRaised(holder, code_of(Section, section), digest, order)
    say(profile, as_json, body, statement=row)


@objection_app.command("answer")
def objection_answer(
    objection: Annotated[str, typer.Argument(help="The objection's id.", callback=event_id_of)],
    outcome: Annotated[str, typer.Option(help="DATA_WRONG, DATA_RIGHT, OMITTED, DELETED.")],
    text: Annotated[str, typer.Option(help="The answer's words, for the directory only.")],
    profile: ProfileName = None,
    as_json: AsJson = False,
) -> None:
    """Answer an objection. By its holder."""
    from creditchain.client.fresh import fresh_row
    from creditchain.events.codes import ObjectionOutcome
    from creditchain.events.objection import ObjectionAnswered

    row, digest = fresh_row(text=text)
    body = ObjectionAnswered(objection, code_of(ObjectionOutcome, outcome), digest)
    say(profile, as_json, body, statement=row)


@objection_app.command("list")
def objection_list(profile: ProfileName = None, as_json: AsJson = False) -> None:
    """List the objections you raised or have to answer."""
    columns = ("id", "status", "holder", "enterprise", "section", "raisedAt", "outcome")
    show_list(profile, as_json, "Objections", columns)
