"""Member institutions, and the officers who act for them."""

from __future__ import annotations

from typing import Annotated

import typer

from creditchain.cli.asking import show_list
from creditchain.cli.showing import AsJson
from creditchain.cli.speaking import say
from creditchain.cli.words import (
    DAY_MS,
    KeyFile,
    Observed,
    ProfileName,
    code_of,
    public_key_in,
    time_of,
)

member_app = typer.Typer(
    name="member", help="Member institutions and their keys.", no_args_is_help=True
)
officer_app = typer.Typer(
    name="officer", help="The persons who act for a member.", no_args_is_help=True
)


@member_app.command("admit")
def member_admit(
    member: Annotated[str, typer.Argument(help="The new member's id.")],
    key: KeyFile,
    kind: Annotated[str, typer.Option(help="BANK, AGENCY, SOURCE, JUDICIAL, …")],
    name: Annotated[str, typer.Option(help="Its name.")],
    region: Annotated[str, typer.Option(help="GB/T 2260 code.")],
    filing: Annotated[str | None, typer.Option(help="Filing number with the supervisor.")] = None,
    profile: ProfileName = None,
    observed: Observed = False,
    as_json: AsJson = False,
) -> None:
    """Admit a member with its first key. By the regulator."""
    from creditchain.events.codes import MemberKind
    from creditchain.events.membership import MemberAdmitted

    body = MemberAdmitted(
        member, code_of(MemberKind, kind), name, region, public_key_in(key), filing
    )
    say(profile, as_json, body, observed=observed)


@member_app.command("suspend")
def member_suspend(
    member: Annotated[str, typer.Argument(help="The member's id.")],
    ground: Annotated[str, typer.Option(help="BREACH, SECURITY_INCIDENT, …")],
    profile: ProfileName = None,
    as_json: AsJson = False,
) -> None:
    """Suspend a member. By the regulator."""
    from creditchain.events.codes import SuspensionGround
    from creditchain.events.membership import MemberSuspended

    say(profile, as_json, MemberSuspended(member, code_of(SuspensionGround, ground)))


@member_app.command("reinstate")
def member_reinstate(
    member: Annotated[str, typer.Argument(help="The member's id.")],
    profile: ProfileName = None,
    as_json: AsJson = False,
) -> None:
    """Let a suspended member act again. By the regulator."""
    from creditchain.events.membership import MemberReinstated

    say(profile, as_json, MemberReinstated(member))


@member_app.command("withdraw")
def member_withdraw(
    member: Annotated[str, typer.Argument(help="The member's id.")],
    profile: ProfileName = None,
    as_json: AsJson = False,
) -> None:
    """Leave for good. By the member or the regulator."""
    from creditchain.events.membership import MemberWithdrawn

    say(profile, as_json, MemberWithdrawn(member))


@member_app.command("add-key")
def member_add_key(
    member: Annotated[str, typer.Argument(help="The member's id.")],
    key: KeyFile,
    days: Annotated[int | None, typer.Option(help="Days until it ends by itself.")] = None,
    profile: ProfileName = None,
    as_json: AsJson = False,
) -> None:
    """Add a key of the member's, to sign with or to have reports sealed to."""
    from creditchain.client.signer import now_ms
    from creditchain.events.membership import MemberKeyAdded

    until = None if days is None else now_ms() + days * DAY_MS
    say(profile, as_json, MemberKeyAdded(member, public_key_in(key), until))


@member_app.command("revoke-key")
def member_revoke_key(
    member: Annotated[str, typer.Argument(help="The member's id.")],
    kid: Annotated[str, typer.Argument(help="The key's thumbprint.")],
    reason: Annotated[str, typer.Option(help="SUPERSEDED, CEASED or COMPROMISED.")],
    since: Annotated[
        str | None, typer.Option(help="From when on it may have been in other hands.")
    ] = None,
    profile: ProfileName = None,
    as_json: AsJson = False,
) -> None:
    """End a key of the member's."""
    from creditchain.events.codes import RevocationReason
    from creditchain.events.membership import MemberKeyRevoked

    time = None if since is None else time_of(since)
    say(profile, as_json, MemberKeyRevoked(member, kid, code_of(RevocationReason, reason), time))


@member_app.command("list")
def member_list(profile: ProfileName = None, as_json: AsJson = False) -> None:
    """List the members."""
    show_list(profile, as_json, "Members", ("id", "kind", "standing", "name"))


@officer_app.command("appoint")
def officer_appoint(
    name: Annotated[str, typer.Option(help="The person's name, for the directory only.")],
    key: KeyFile,
    role: Annotated[list[str], typer.Option(help="ORDER, APPROVE, FULFIL, ADMINISTER, AUDIT.")],
    days: Annotated[int | None, typer.Option(help="Days until the key ends by itself.")] = None,
    profile: ProfileName = None,
    as_json: AsJson = False,
) -> None:
    """Appoint an officer: a fresh opaque id, the roles, and the endorsed key."""
    from creditchain.client.fresh import fresh_officer_id, fresh_row
    from creditchain.client.signer import now_ms
    from creditchain.events.codes import Role
    from creditchain.events.officer import OfficerAppointed

    officer, (row, identity) = fresh_officer_id(), fresh_row(name=name)
    roles = tuple(sorted({code_of(Role, text) for text in role}))
    until = None if days is None else now_ms() + days * DAY_MS
    body = OfficerAppointed(officer, roles, public_key_in(key), identity, until)
    say(profile, as_json, body, {"officer": officer}, directory=row)


@officer_app.command("dismiss")
def officer_dismiss(
    officer: Annotated[str, typer.Argument(help="The officer's id.")],
    profile: ProfileName = None,
    as_json: AsJson = False,
) -> None:
    """End an officer's appointment."""
    from creditchain.events.officer import OfficerDismissed

    say(profile, as_json, OfficerDismissed(officer))


@officer_app.command("list")
def officer_list(profile: ProfileName = None, as_json: AsJson = False) -> None:
    """List the officers of your member."""
    show_list(profile, as_json, "Officers", ("id", "roles", "name", "dismissedAt"))
