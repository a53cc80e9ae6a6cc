"""Consents: asked for, given, refused, taken back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from creditchain.cli.asking import enterprise_id, find, show_list, show_one
from creditchain.cli.showing import AsJson
from creditchain.cli.speaking import say
from creditchain.cli.words import (
    DAY_MS,
    ConsentId,
    Observed,
    ProfileName,
    Sections,
    code_of,
    sections_of,
)

if TYPE_CHECKING:
    from creditchain.client.client import Client
    from creditchain.events import Body
    from creditchain.events.consent import Terms

consent_app = typer.Typer(
    name="consent", help="Consents: asked for, given, refused, taken back.", no_args_is_help=True
)


@consent_app.command("request")
def consent_request(
    enterprise: Annotated[str, typer.Argument(help="The enterprise: its id or its USCC.")],
    purpose: Annotated[str, typer.Option(help="PRE_LOAN_REVIEW, …")],
    agency: Annotated[list[str], typer.Option(help="An agency to ask; repeat for more.")],
    section: Sections = None,
    days: Annotated[float, typer.Option(help="How long it shall count.")] = 30.0,
    uses: Annotated[int, typer.Option(help="How many orders may rest on it.")] = 1,
    profile: ProfileName = None,
    observed: Observed = False,
    as_json: AsJson = False,
) -> None:
    """Ask an enterprise for consent."""
    from creditchain.client.signer import now_ms
    from creditchain.events.codes import Purpose
    from creditchain.events.consent import ConsentRequested, Terms

    sections, why = sections_of(section), code_of(Purpose, purpose)

    async def work(client: Client) -> Body:
        me = await client.ask("Me")
        now = now_ms()
        terms = Terms(
            me["member"]["id"] if me["member"] else client.signer.actor,
            why,
            tuple(sorted(set(agency))),
            sections,
            now,
            now + int(days * DAY_MS),
            uses,
        )
        return ConsentRequested(await enterprise_id(client, enterprise), terms)

    say(profile, as_json, work, observed=observed)


@consent_app.command("grant")
def consent_grant(
    consent: ConsentId,
    section: Sections = None,
    uses: Annotated[int | None, typer.Option(help="Fewer orders than asked for.")] = None,
    days: Annotated[float | None, typer.Option(help="Fewer days, from now.")] = None,
    profile: ProfileName = None,
    observed: Observed = False,
    as_json: AsJson = False,
) -> None:
    """Consent, on the terms asked for or on narrower ones. By the enterprise."""
    from creditchain.client.signer import now_ms
    from creditchain.events.consent import ConsentGranted, Terms

    async def work(client: Client) -> Body:
        asked = _terms((await find(client, "Consent", consent))["terms"])
        until = asked.valid_until
        terms = Terms(
            asked.grantee,
            asked.purpose,
            asked.agencies,
            sections_of(section) if section else asked.sections,
            asked.valid_from,
            until if days is None else min(until, now_ms() + int(days * DAY_MS)),
            asked.uses_max if uses is None else uses,
        )
        return ConsentGranted(consent, terms)

    say(profile, as_json, work, observed=observed)


@consent_app.command("refuse")
def consent_refuse(
    consent: ConsentId,
    reason: Annotated[str, typer.Option(help="NO_BUSINESS, TOO_BROAD, NOT_NOW.")] = "UNSTATED",
    profile: ProfileName = None,
    as_json: AsJson = False,
) -> None:
    """Do not consent. By the enterprise."""
    from creditchain.events.codes import RefusalReason
    from creditchain.events.consent import ConsentRefused

    say(profile, as_json, ConsentRefused(consent, code_of(RefusalReason, reason)))


@consent_app.command("withdraw")
def consent_withdraw(
    consent: ConsentId,
    profile: ProfileName = None,
    observed: Observed = False,
    as_json: AsJson = False,
) -> None:
    """Take a consent back, at once. By the enterprise."""
    from creditchain.events.consent import ConsentWithdrawn

    say(profile, as_json, ConsentWithdrawn(consent), observed=observed)


@consent_app.command("list")
def consent_list(
    status: Annotated[str | None, typer.Option(help="REQUESTED, GRANTED, …")] = None,
    profile: ProfileName = None,
    as_json: AsJson = False,
) -> None:
    """List the consents you gave or hold."""
    from creditchain.rulebook.record import ConsentStatus

    status = None if status is None else code_of(ConsentStatus, status).value
    columns = ("id", "status", "grantee", "enterprise", "uses", "changedAt")
    show_list(profile, as_json, "Consents", columns, status=status)


@consent_app.command("show")
def consent_show(consent: ConsentId, profile: ProfileName = None, as_json: AsJson = False) -> None:
    """Show a consent with its terms."""
    show_one(profile, as_json, "Consent", consent)


def _terms(value: Mapping[str, Any]) -> Terms:
    from creditchain.events import parse_time
    from creditchain.events.codes import Purpose, Section
    from creditchain.events.consent import Terms

    return Terms(
        value["grantee"]["id"],
        Purpose(value["purpose"]),
        tuple(agency["id"] for agency in value["agencies"]),
        tuple(Section(code) for code in value["sections"]),
        parse_time(value["validFrom"]),
        parse_time(value["validUntil"]),
        value["usesMax"],
    )
