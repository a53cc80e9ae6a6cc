"""The command line of an institution, and of the hub.

Exit codes: 0 done or verified; 1 refused by the law, or not verified; 2 the command, a file or the
profile is unfit; 3 the hub cannot be reached, or failed.

Who one is stands in a profile (`creditchain.client.profile`), chosen with `-p` or the variable
CREDITCHAIN_PROFILE. `--json` prints one JSON value on standard output and nothing else there.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import closing
from contextvars import ContextVar
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, NoReturn, TypeVar

import typer

if TYPE_CHECKING:
    from enum import StrEnum

    from creditchain.client.client import Client
    from creditchain.client.evidence import Receipt
    from creditchain.client.profile import Profile
    from creditchain.client.verify import Verdict
    from creditchain.events import Body, PublicKey
    from creditchain.events.consent import Terms
    from creditchain.seal import Sealed

T = TypeVar("T")
E = TypeVar("E", bound="StrEnum")

REFUSED: Final = 1
UNFIT: Final = 2
NO_ANSWER: Final = 3

DAY_MS: Final = 86_400_000

ROW_CHARS_MAX: Final = 1_000
"""Wider than any row of a list: the terminal wraps what it must, nothing is cut."""

WHOLE_CURRENCIES: Final = frozenset({"JPY", "KRW", "VND"})
"""Currencies without minor units; all others here have two decimals."""

app = typer.Typer(
    name="creditchain",
    help="Consent, order, sealed delivery and a verifiable log for credit reports.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _group(name: str, says: str) -> typer.Typer:
    group = typer.Typer(help=says, no_args_is_help=True)
    app.add_typer(group, name=name)
    return group


hub_app = _group("hub", "The hub: admits, orders, publishes.")
keys_app = _group("keys", "Private keys, in files that only you can read.")
member_app = _group("member", "Member institutions and their keys.")
officer_app = _group("officer", "The persons who act for a member.")
product_app = _group("product", "What an agency sells.")
consent_app = _group("consent", "Consents: asked for, given, refused, taken back.")
order_app = _group("order", "Orders for reports, from placing to the credit decision.")
report_app = _group("report", "Sealed reports.")
records_app = _group("records", "Commitments to records, and the record store.")
objection_app = _group("objection", "Objections to what is recorded.")
agency_app = _group("agency", "What an agency runs.")
verify_app = _group("verify", "Verify offline: receipts, refusals, evidence bundles, whole logs.")
log_app = _group("log", "The log.")

ProfileName = Annotated[
    str | None,
    typer.Option(
        "--profile", "-p", help="Profile: a name or a file.", envvar="CREDITCHAIN_PROFILE"
    ),
]
# Whether the command under way prints JSON: its failures then do so too.
_JSON: ContextVar[bool] = ContextVar("as_json", default=False)


def _note_json(value: bool) -> bool:
    _JSON.set(value)
    return value


AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.", callback=_note_json)]
Observed = Annotated[bool, typer.Option("--observed", help="Wait until the regulator cosigned.")]
OrderId = Annotated[str, typer.Argument(help="The order's id.")]
ConsentId = Annotated[str, typer.Argument(help="The consent's id.")]
Sections = Annotated[
    list[str] | None, typer.Option("--section", "-s", help="A section; repeat for more.")
]
KeyFile = Annotated[Path, typer.Option("--key", help="A key file, private or public JWK.")]


# Founding and the hub.


@app.command()
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
        typer.Option(help="An observer's key as `name vkey [url]`; repeat for more."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Found a consortium: genesis, the hub's folder, and the first two members' keys and profiles.

    For a trial on one machine. In earnest the regulator makes its own key and signs the genesis
    elsewhere: `creditchain.founding` has the steps one by one.
    """
    from creditchain.client.keys import BadKeyFile, generate_key, save_key, write_private
    from creditchain.client.profile import format_profile
    from creditchain.events.consortium import Founder
    from creditchain.founding import (
        FoundingRefused,
        ObserverKey,
        found_hub,
        new_hub_keys,
        write_genesis,
    )
    from creditchain.tlog.ed25519 import BadKey
    from creditchain.tlog.note import format_vkey

    observers = []
    for text in observer or []:
        words = text.split()
        if len(words) not in {2, 3}:
            _fail(UNFIT, f"--observer {text!r}: give a name, a vkey and perhaps a URL")
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
        _fail(UNFIT, str(error))
    from creditchain.events import b64u

    profiles = {member: str(data / "members" / member / "profile.toml") for member in people}
    _tell(
        as_json,
        {"log": origin, "genesis": b64u(genesis.commitment), "profiles": profiles},
        f"Founded {name}; its log is {origin}.",
        f"Pin this founding: {b64u(genesis.commitment)}",
        f"Serve it: creditchain hub serve --data {data}",
        *(f"Speak as {member}: -p {path}" for member, path in profiles.items()),
    )


@hub_app.command("serve")
def hub_serve(
    data: Annotated[Path, typer.Option("--data", "-d", help="The folder of `found`.")],
) -> None:
    """Serve until SIGTERM or SIGINT; settings are in hub/hub.toml and CREDITCHAIN_… variables."""
    from creditchain.config import BadConfig, load_config
    from creditchain.hub import serve

    environ = {name: text for name, text in os.environ.items() if name != "CREDITCHAIN_PROFILE"}
    try:
        config = load_config(data / "hub" / "hub.toml", environ)
    except BadConfig as error:
        _fail(UNFIT, str(error))
    raise typer.Exit(serve(config))


# Keys.


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
        _fail(UNFIT, f"--use is one of {', '.join(algorithms)}")
    key = generate_key(algorithms[use])
    try:
        save_key(path, key)
    except BadKeyFile as error:
        _fail(UNFIT, str(error))
    _show_key(as_json, key.public)


@keys_app.command("show")
def keys_show(
    path: Annotated[Path, typer.Argument(help="A key file.")], as_json: AsJson = False
) -> None:
    """Show the public half of a key: with --json the JWK to hand to others."""
    _show_key(as_json, _public_key(path))


def _show_key(as_json: bool, public: PublicKey) -> None:
    jwk = {**public.to_json(), "kid": public.kid}
    _tell(as_json, jwk, f"{public.alg} {public.kid}", json.dumps(public.to_json()))


# Members.


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

    body = MemberAdmitted(member, _code(MemberKind, kind), name, region, _public_key(key), filing)
    _say(profile, as_json, body, observed=observed)


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

    _say(profile, as_json, MemberSuspended(member, _code(SuspensionGround, ground)))


@member_app.command("reinstate")
def member_reinstate(
    member: Annotated[str, typer.Argument(help="The member's id.")],
    profile: ProfileName = None,
    as_json: AsJson = False,
) -> None:
    """Let a suspended member act again. By the regulator."""
    from creditchain.events.membership import MemberReinstated

    _say(profile, as_json, MemberReinstated(member))


@member_app.command("withdraw")
def member_withdraw(
    member: Annotated[str, typer.Argument(help="The member's id.")],
    profile: ProfileName = None,
    as_json: AsJson = False,
) -> None:
    """Leave for good. By the member or the regulator."""
    from creditchain.events.membership import MemberWithdrawn

    _say(profile, as_json, MemberWithdrawn(member))


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
    _say(profile, as_json, MemberKeyAdded(member, _public_key(key), until))


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

    time = None if since is None else _time(since)
    _say(profile, as_json, MemberKeyRevoked(member, kid, _code(RevocationReason, reason), time))


@member_app.command("list")
def member_list(profile: ProfileName = None, as_json: AsJson = False) -> None:
    """List the members."""
    _list(profile, as_json, "Members", ("id", "kind", "standing", "name"))


# Officers.


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
    roles = tuple(sorted({_code(Role, text) for text in role}))
    until = None if days is None else now_ms() + days * DAY_MS
    body = OfficerAppointed(officer, roles, _public_key(key), identity, until)
    _say(profile, as_json, body, {"officer": officer}, directory=row)


@officer_app.command("dismiss")
def officer_dismiss(
    officer: Annotated[str, typer.Argument(help="The officer's id.")],
    profile: ProfileName = None,
    as_json: AsJson = False,
) -> None:
    """End an officer's appointment."""
    from creditchain.events.officer import OfficerDismissed

    _say(profile, as_json, OfficerDismissed(officer))


@officer_app.command("list")
def officer_list(profile: ProfileName = None, as_json: AsJson = False) -> None:
    """List the officers of your member."""
    _list(profile, as_json, "Officers", ("id", "roles", "name", "dismissedAt"))


# Enterprises.


@app.command()
def enrol(
    name: Annotated[str, typer.Option(help="The registered name, for the directory only.")],
    uscc: Annotated[str, typer.Option(help="Unified Social Credit Code.")],
    region: Annotated[str, typer.Option(help="GB/T 2260 code.")],
    key: KeyFile,
    authority: Annotated[Path, typer.Option(help="The paper that proves the person's authority.")],
    profile: ProfileName = None,
    as_json: AsJson = False,
) -> None:
    """Vouch for an enterprise: a fresh opaque id, and the key its authorised person signs with."""
    from creditchain.client.fresh import fresh_enterprise_id, fresh_row, fresh_salt
    from creditchain.events import b64u, unb64u
    from creditchain.events.enterprise import EnterpriseEnrolled
    from creditchain.fingerprint import fingerprint

    enterprise, (row, identity) = fresh_enterprise_id(), fresh_row(name=name, uscc=_uscc(uscc))
    salt = fresh_salt()
    paper = b64u(fingerprint(unb64u(salt), _read(authority)))
    body = EnterpriseEnrolled(enterprise, identity, region, _public_key(key), paper)
    # Whoever keeps the paper needs its salt, to show one day that it is the one.
    told = {"enterprise": enterprise, "authoritySalt": salt}
    _say(profile, as_json, body, told, directory=row)


# Products.


@product_app.command("offer")
def product_offer(
    product: Annotated[str, typer.Argument(help="agency/name.")],
    name: Annotated[str, typer.Option(help="What it is called.")],
    purpose: Annotated[list[str], typer.Option(help="A purpose; repeat for more.")],
    price: Annotated[int, typer.Option(help="In minor units: 12345 is 123.45.")],
    section: Sections = None,
    currency: Annotated[str, typer.Option(help="ISO 4217.")] = "CNY",
    hours: Annotated[float, typer.Option(help="Hours from placing until it lapses.")] = 24.0,
    profile: ProfileName = None,
    as_json: AsJson = False,
) -> None:
    """Offer a report."""
    from creditchain.client.report import SCHEMA
    from creditchain.events.codes import Purpose
    from creditchain.events.product import Money, ProductOffered

    purposes = tuple(sorted({_code(Purpose, text) for text in purpose}))
    due_ms = int(hours * 3_600_000)
    money = Money(price, currency)
    _say(
        profile,
        as_json,
        ProductOffered(product, name, _sections(section), purposes, money, due_ms, SCHEMA),
    )


@product_app.command("withdraw")
def product_withdraw(
    product: Annotated[str, typer.Argument(help="agency/name.")],
    profile: ProfileName = None,
    as_json: AsJson = False,
) -> None:
    """Stop offering a report."""
    from creditchain.events.product import ProductWithdrawn

    _say(profile, as_json, ProductWithdrawn(product))


@product_app.command("list")
def product_list(profile: ProfileName = None, as_json: AsJson = False) -> None:
    """List what is offered."""
    _list(profile, as_json, "Products", ("id", "name", "sections", "purposes", "withdrawnAt"))


# Consents.


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

    sections, why = _sections(section), _code(Purpose, purpose)

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
        return ConsentRequested(await _enterprise(client, enterprise), terms)

    _say(profile, as_json, work, observed=observed)


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
        asked = _terms((await _found(client, "Consent", consent))["terms"])
        until = asked.valid_until
        terms = Terms(
            asked.grantee,
            asked.purpose,
            asked.agencies,
            _sections(section) if section else asked.sections,
            asked.valid_from,
            until if days is None else min(until, now_ms() + int(days * DAY_MS)),
            asked.uses_max if uses is None else uses,
        )
        return ConsentGranted(consent, terms)

    _say(profile, as_json, work, observed=observed)


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

    _say(profile, as_json, ConsentRefused(consent, _code(RefusalReason, reason)))


@consent_app.command("withdraw")
def consent_withdraw(
    consent: ConsentId,
    profile: ProfileName = None,
    observed: Observed = False,
    as_json: AsJson = False,
) -> None:
    """Take a consent back, at once. By the enterprise."""
    from creditchain.events.consent import ConsentWithdrawn

    _say(profile, as_json, ConsentWithdrawn(consent), observed=observed)


@consent_app.command("list")
def consent_list(
    status: Annotated[str | None, typer.Option(help="REQUESTED, GRANTED, …")] = None,
    profile: ProfileName = None,
    as_json: AsJson = False,
) -> None:
    """List the consents you gave or hold."""
    columns = ("id", "status", "grantee", "enterprise", "uses", "changedAt")
    _list(profile, as_json, "Consents", columns, status=status)


@consent_app.command("show")
def consent_show(consent: ConsentId, profile: ProfileName = None, as_json: AsJson = False) -> None:
    """Show a consent with its terms."""
    _show(profile, as_json, "Consent", consent)


# Orders.


@order_app.command("place")
def order_place(
    enterprise: Annotated[str, typer.Argument(help="The enterprise: its id or its USCC.")],
    product: Annotated[str, typer.Option(help="agency/name.")],
    purpose: Annotated[str, typer.Option(help="PRE_LOAN_REVIEW, …")],
    section: Sections = None,
    consent: Annotated[str | None, typer.Option(help="The consent it rests on.")] = None,
    ground: Annotated[str | None, typer.Option(help="Or COURT, STATUTE.")] = None,
    document: Annotated[
        Path | None, typer.Option(help="The ruling or the paper for the ground.")
    ] = None,
    profile: ProfileName = None,
    observed: Observed = False,
    as_json: AsJson = False,
) -> None:
    """Order a report, under a consent or on a ground of law."""
    from creditchain.client.fresh import fresh_salt
    from creditchain.events import b64u, unb64u
    from creditchain.events.codes import LawfulGround, Purpose
    from creditchain.events.order import Ground, OrderPlaced
    from creditchain.fingerprint import fingerprint

    if (ground is None) != (document is None):
        _fail(UNFIT, "--ground and --document go together")
    basis, salt = None, fresh_salt()
    if ground is not None and document is not None:
        digest = fingerprint(unb64u(salt), _read(document))
        basis = Ground(_code(LawfulGround, ground), b64u(digest))
    why, sections = _code(Purpose, purpose), _sections(section)
    kid = _with_profile(profile, lambda chosen: chosen.open_with().kid)

    async def work(client: Client) -> Body:
        subject = await _enterprise(client, enterprise)
        return OrderPlaced(subject, product, why, sections, kid, consent, basis)

    told = {"documentSalt": salt} if basis is not None else {}
    _say(profile, as_json, work, told, observed=observed)


@order_app.command("show")
def order_show(order: OrderId, profile: ProfileName = None, as_json: AsJson = False) -> None:
    """Show an order."""
    _show(profile, as_json, "Order", order)


@order_app.command("track")
def order_track(order: OrderId, profile: ProfileName = None, as_json: AsJson = False) -> None:
    """Follow an order until it has ended; with --json one line for each change."""
    waiting = {"AWAITING_APPROVAL", "PLACED", "ACCEPTED"}

    async def work(client: Client) -> None:
        from contextlib import aclosing

        log = await client.ask("Log")
        now = await _found(client, "Order", order)
        _line(as_json, {"order": order, "status": now["status"], "at": now["changedAt"]})
        if now["status"] not in waiting:
            return
        async with aclosing(client.order_changes(int(log["size"]) - 1)) as changes:
            async for change in changes:
                if change.record["id"] != order:
                    continue
                status = change.record["status"]
                told = {"order": order, "status": status, "at": change.record["changedAt"]}
                _line(as_json, told)
                if status not in waiting:
                    return

    _with_client(profile, work)


@order_app.command("list")
def order_list(
    status: Annotated[str | None, typer.Option(help="PLACED, DELIVERED, …")] = None,
    profile: ProfileName = None,
    as_json: AsJson = False,
) -> None:
    """List the orders you may see."""
    columns = ("id", "status", "orderer", "agency", "enterprise", "outcome", "changedAt")
    _list(profile, as_json, "Orders", columns, status=status)


@order_app.command("approve")
def order_approve(order: OrderId, profile: ProfileName = None, as_json: AsJson = False) -> None:
    """Approve an order on a ground of law, as a second officer."""
    from creditchain.events.order import OrderApproved

    _say(profile, as_json, OrderApproved(order))


@order_app.command("cancel")
def order_cancel(order: OrderId, profile: ProfileName = None, as_json: AsJson = False) -> None:
    """Take an order back; possible until it is delivered."""
    from creditchain.events.order import OrderCancelled

    _say(profile, as_json, OrderCancelled(order))


@order_app.command("acknowledge")
def order_acknowledge(order: OrderId, profile: ProfileName = None, as_json: AsJson = False) -> None:
    """Open the report, check every line of it, and acknowledge what was found."""
    from creditchain.events.order import DeliveryAcknowledged

    key = _with_profile(profile, lambda chosen: chosen.open_with())

    async def work(client: Client) -> Body:
        from creditchain.client.opening import open_delivery

        if (await _found(client, "Order", order))["outcome"] == "NOT_FOUND":
            return DeliveryAcknowledged(order)
        opened = await open_delivery(client, order, key)
        return DeliveryAcknowledged(order, opened.report.fingerprint)

    _say(profile, as_json, work)


@order_app.command("dispute")
def order_dispute(
    order: OrderId,
    code: Annotated[
        str | None, typer.Option(help="INCOMPLETE, INACCURATE, …; else what opening it shows.")
    ] = None,
    profile: ProfileName = None,
    as_json: AsJson = False,
) -> None:
    """Dispute a delivery: with a code, or with what is wrong when it is opened."""
    from creditchain.events.codes import DisputeCode
    from creditchain.events.order import DeliveryDisputed

    stated = None if code is None else _code(DisputeCode, code)
    key = _with_profile(profile, lambda chosen: chosen.open_with())

    async def work(client: Client) -> Body:
        from creditchain.client.opening import open_delivery
        from creditchain.client.report import BadReport

        try:
            opened = await open_delivery(client, order, key)
        except BadReport as bad:
            if (stated or bad.code) is DisputeCode.FINGERPRINT_MISMATCH:
                return DeliveryDisputed(order, stated or bad.code, bad.opened)
            return DeliveryDisputed(order, stated or bad.code)
        if stated is None:
            _fail(UNFIT, "the report is what was delivered; name what is wrong with --code")
        return DeliveryDisputed(order, stated, opened.report.fingerprint)

    _say(profile, as_json, work)


@order_app.command("decide")
def order_decide(
    order: OrderId,
    granted: Annotated[
        int | None, typer.Option(help="The amount granted, minor units; left out: declined.")
    ] = None,
    currency: Annotated[str, typer.Option(help="ISO 4217.")] = "CNY",
    profile: ProfileName = None,
    as_json: AsJson = False,
) -> None:
    """Report the credit decision that the report was ordered for."""
    from creditchain.events.codes import CreditDecision
    from creditchain.events.order import CreditDecided
    from creditchain.events.product import Money

    body = CreditDecided(order, CreditDecision.DECLINED)
    if granted is not None:
        body = CreditDecided(order, CreditDecision.GRANTED, Money(granted, currency))
    _say(profile, as_json, body)


@order_app.command("open")
@report_app.command("open")
def report_open(
    order: OrderId,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Keep the report here.")] = None,
    profile: ProfileName = None,
    as_json: AsJson = False,
) -> None:
    """Open a delivered report and check every line of it against the log."""
    from creditchain.client.keys import BadKeyFile, write_private

    key = _with_profile(profile, lambda chosen: chosen.open_with())

    async def work(client: Client) -> Any:
        from creditchain.client.opening import open_delivery

        return await open_delivery(client, order, key)

    opened = _with_client(profile, work)
    if out is not None:
        try:
            write_private(out, opened.plaintext)
        except BadKeyFile as error:
            _fail(UNFIT, str(error))
    if as_json:
        _print_json(dict(opened.report.value))
        return
    from rich.console import Console
    from rich.table import Table

    report, console = opened.report, Console()
    table = Table(title=f"Report on {report.ordered.subject} by {report.ordered.agency}")
    for column in ("section", "what", "batch"):
        table.add_column(column, overflow="fold")
    for section, lines in report.lines.items():
        for line in lines:
            facts = ", ".join(f"{name}: {_text(value)}" for name, value in line.record.data.items())
            table.add_row(section.value, facts, line.batch)
    for section, code in report.missing.items():
        table.add_row(section.value, f"missing: {code}", "")
    console.print(table)
    for objection in report.objections:
        console.print(f"Objected to: {objection.section} of {objection.holder} ({objection.id})")
    console.print(f"Every line was found in its batch. Fingerprint {report.fingerprint}")


# Records.


@records_app.command("commit")
def records_commit(
    path: Annotated[Path, typer.Argument(help="CSV or JSON lines, up to 1,000,000 records.")],
    as_of: Annotated[str | None, typer.Option(help="When they were true; now if left out.")] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Also if this file was committed.")
    ] = False,
    profile: ProfileName = None,
    observed: Observed = False,
    as_json: AsJson = False,
) -> None:
    """Commit to a file of records: one Merkle root on the log, salts and paths in the record store.

    Cut off in between it is run again, and goes on with the same event.
    """
    from creditchain.client.local_store import BadStore
    from creditchain.client.records import BadRecords, RecordStore, read_records
    from creditchain.client.signer import now_ms

    time = now_ms() if as_of is None else _time(as_of)
    place = _with_profile(profile, lambda chosen: chosen.record_store())
    try:
        store = RecordStore(place)
        digest = _digest_of(path)
        batch = None if again else store.find_source(digest)
        if batch is None:
            with _progress(as_json, "records", path.stat().st_size) as advance:
                batch = store.add(read_records(path, advance), time, digest)
    except (BadRecords, BadStore) as error:
        _fail(UNFIT, str(error))
    told = {"batch": batch.id, "count": batch.count, "sections": list(batch.sections)}
    if batch.index is not None:
        _tell(as_json, {**told, "index": batch.index}, f"Committed already as {batch.id}.")
        return

    async def work(client: Client) -> Receipt:
        from creditchain.client.client import RefusedByHub
        from creditchain.rulebook.refusal import Refusal

        sealed = client.signer.seal(batch.event(), id=batch.id)
        if batch.body is not None:
            sealed = _sealed_of(batch.body)
        store.keep_body(batch.id, sealed.body)
        try:
            return await _submit(client, sealed, observed)
        except RefusedByHub as refused:
            if refused.code is not Refusal.CLOCK_SKEW or batch.body is None:
                raise
        # Signed long ago and never admitted: signed anew, it is still the same event.
        sealed = client.signer.seal(batch.event(), id=batch.id)
        store.keep_body(batch.id, sealed.body)
        return await _submit(client, sealed, observed)

    receipt = _with_client(profile, work)
    store.mark_committed(batch.id, receipt.index)
    store.close()
    _tell(
        as_json,
        {**told, "index": receipt.index, "level": receipt.level.value},
        f"Committed {batch.count:,} records as {batch.id}, entry {receipt.index}.",
    )


@records_app.command("supersede")
def records_supersede(
    batch: Annotated[str, typer.Argument(help="The batch's id.")],
    reason: Annotated[str, typer.Option(help="CORRECTED, UPDATED or RETRACTED.")],
    replacement: Annotated[str | None, typer.Option(help="The batch in its place.")] = None,
    profile: ProfileName = None,
    as_json: AsJson = False,
) -> None:
    """Say that a batch no longer counts."""
    from creditchain.client.records import RecordStore
    from creditchain.events.codes import SupersedeReason
    from creditchain.events.records import RecordsSuperseded

    body = RecordsSuperseded(batch, _code(SupersedeReason, reason), replacement)
    place = _with_profile(profile, lambda chosen: chosen.records)
    _say(profile, as_json, body)
    if place is not None and place.exists():
        store = RecordStore(place)
        if store.batch(batch) is not None:
            store.mark_superseded(batch)
        store.close()


@records_app.command("list")
def records_list(profile: ProfileName = None, as_json: AsJson = False) -> None:
    """List the batches of all holders."""
    columns = ("id", "member", "count", "sections", "asOf", "supersededAt")
    _list(profile, as_json, "RecordBatches", columns)


# Objections.


@objection_app.command("raise")
def objection_raise(
    holder: Annotated[str, typer.Argument(help="The member that holds what is wrong.")],
    section: Annotated[str, typer.Option(help="The section objected to.")],
    text: Annotated[str, typer.Option(help="What is wrong, for the directory only.")],
    order: Annotated[str | None, typer.Option(help="The order whose report showed it.")] = None,
    profile: ProfileName = None,
    as_json: AsJson = False,
) -> None:
    """Object to what is recorded about you. By the enterprise."""
    from creditchain.client.fresh import fresh_row
    from creditchain.events.codes import Section
    from creditchain.events.objection import ObjectionRaised

    row, digest = fresh_row(text=text)
    body = ObjectionRaised(holder, _code(Section, section), digest, order)
    _say(profile, as_json, body, statement=row)


@objection_app.command("answer")
def objection_answer(
    objection: Annotated[str, typer.Argument(help="The objection's id.")],
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
    body = ObjectionAnswered(objection, _code(ObjectionOutcome, outcome), digest)
    _say(profile, as_json, body, statement=row)


@objection_app.command("list")
def objection_list(profile: ProfileName = None, as_json: AsJson = False) -> None:
    """List the objections you raised or have to answer."""
    columns = ("id", "status", "holder", "enterprise", "section", "raisedAt", "outcome")
    _list(profile, as_json, "Objections", columns)


# The agency's worker, and watching.


@agency_app.command("work")
def agency_work(
    jobs: Annotated[int, typer.Option(help="Orders served side by side.", min=1, max=64)] = 4,
    products: Annotated[
        list[str] | None, typer.Option("--product", help="Only orders of this product.")
    ] = None,
    profile: ProfileName = None,
) -> None:
    """Serve placed orders until SIGTERM or SIGINT; then run it again, it goes on where it was."""
    from creditchain.client.local_store import BadStore
    from creditchain.client.records import RecordStore
    from creditchain.client.source import BadMapping, Source
    from creditchain.client.worker import Journal, Worker
    from creditchain.logs import set_up_logs

    set_up_logs()
    needs = _with_profile(profile, lambda chosen: chosen.agency_profile(os.environ))
    try:
        source = Source.load(needs.mapping, needs.database)
        journal = Journal(needs.journal)
        stores = [RecordStore(path) for path in needs.records]
    except (BadMapping, BadStore) as error:
        _fail(UNFIT, str(error))
    wanted = set(products or [])

    async def work(client: Client) -> None:
        worker = Worker(
            client,
            source,
            stores,
            journal,
            jobs_at_once=jobs,
            serves=lambda order: not wanted or order["product"]["id"] in wanted,
        )
        stop = _stop_on_signals()
        await worker.run(stop)

    try:
        _with_client(profile, work)
    finally:
        journal.close()
        source.close()
        for store in stores:
            store.close()


@app.command()
def watch(
    what: Annotated[str, typer.Argument(help="orders, consents or head.")] = "orders",
    after: Annotated[int | None, typer.Option(help="From the change after this index on.")] = None,
    profile: ProfileName = None,
    as_json: AsJson = False,
) -> None:
    """Watch changes as they happen, until it is interrupted."""
    if what not in {"orders", "consents", "head"}:
        _fail(UNFIT, "watch orders, consents or head")

    async def follow(client: Client) -> None:
        from contextlib import aclosing

        if what == "head":
            async with aclosing(client.heads()) as heads:
                async for head in heads:
                    _line(as_json, {"size": head["size"], "root": head["root"]})
            return
        several = client.order_changes if what == "orders" else client.consent_changes
        async with aclosing(several(after)) as changes:
            async for change in changes:
                record = change.record
                named = {
                    "index": change.index,
                    "id": record["id"],
                    "status": record["status"],
                    "enterprise": record["enterprise"]["id"],
                }
                _line(as_json, {**named, "record": dict(record)} if as_json else named)

    async def work(client: Client) -> None:
        stop = asyncio.create_task(_stop_on_signals().wait())
        following = asyncio.create_task(follow(client))
        await asyncio.wait({stop, following}, return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        if following.done():
            following.result()
        following.cancel()

    _with_client(profile, work)


@app.command()
def ask(
    document: Annotated[
        str, typer.Argument(help="A GraphQL document, or - to read it from standard input.")
    ],
    variables: Annotated[str, typer.Option(help="Its variables, as a JSON object.")] = "{}",
    profile: ProfileName = None,
) -> None:
    """Ask the hub any GraphQL query, signed in as the profile; prints the answer as JSON."""
    try:
        values = json.loads(variables)
    except ValueError as error:
        _fail(UNFIT, f"--variables: {error}")
    if not isinstance(values, dict):
        _fail(UNFIT, "--variables: not a JSON object")
    text = sys.stdin.read() if document == "-" else document

    async def work(client: Client) -> dict[str, Any]:
        return await client.query(text, values)

    answer = _with_client(profile, work)
    _print_json(answer)
    if answer.get("errors"):
        raise typer.Exit(NO_ANSWER)


@log_app.command("head")
def log_head(profile: ProfileName = None, as_json: AsJson = False) -> None:
    """Show the head of the log, its signatures checked."""
    from creditchain.tlog.note import BadNote

    async def work(client: Client) -> tuple[Any, Any]:
        return await client.ask("Log"), client.trust

    head, trust = _with_client(profile, work)
    try:
        opened = trust.unobserved.open_checkpoint(head["checkpoint"])
    except BadNote as error:
        _fail(REFUSED, f"the checkpoint: {error}")
    from creditchain.events import b64u, format_time

    cosigned = [{"name": c.name, "at": format_time(c.time_s * 1000)} for c in opened.cosignatures]
    checkpoint = opened.checkpoint
    told = {"log": checkpoint.origin, "size": checkpoint.size, "root": b64u(checkpoint.root)}
    _tell(
        as_json,
        {**told, "cosignatures": cosigned},
        f"{checkpoint.origin}: {checkpoint.size} entries, root {b64u(checkpoint.root)}",
        *(f"cosigned by {c['name']} at {c['at']}" for c in cosigned),
    )


# Verifying.

Genesis = Annotated[Path | None, typer.Option("--genesis", help="The founding that you trust.")]
PolicyFile = Annotated[Path | None, typer.Option("--policy", help="The C2SP policy you trust.")]
LogKey = Annotated[str | None, typer.Option("--log-key", help="The log's vkey.")]
RefusalKey = Annotated[str | None, typer.Option("--refusal-key", help="The refusal vkey.")]


@verify_app.command("receipt")
def verify_a_receipt(
    proof: Annotated[Path, typer.Argument(help="The .tlog-proof file.")],
    body: Annotated[Path, typer.Option(help="The event's body.")],
    at: Annotated[
        str | None, typer.Option(help="When it was admitted, if the file does not say.")
    ] = None,
    observed: Annotated[
        bool, typer.Option("--observed", help="The regulator must have it.")
    ] = False,
    genesis: Genesis = None,
    policy: PolicyFile = None,
    log_key: LogKey = None,
    profile: ProfileName = None,
    as_json: AsJson = False,
) -> None:
    """Verify offline that an event is on the log."""
    from creditchain.client.evidence import Level
    from creditchain.client.verify import verify_receipt

    trust, _ = _trusted(profile, genesis, policy, log_key, None)
    time = None if at is None else _time(at)
    level = Level.OBSERVED if observed else Level.CHECKPOINTED
    text = _read(proof).decode("utf-8", "replace")
    _judge(as_json, verify_receipt(text, _read(body), _pinned(trust), at=time, level=level))


@verify_app.command("refusal")
def verify_a_refusal(
    note: Annotated[Path, typer.Argument(help="The signed refusal.")],
    body: Annotated[Path | None, typer.Option(help="The body of the event refused.")] = None,
    genesis: Genesis = None,
    policy: PolicyFile = None,
    log_key: LogKey = None,
    refusal_key: RefusalKey = None,
    profile: ProfileName = None,
    as_json: AsJson = False,
) -> None:
    """Verify offline that the hub refused an event, and why."""
    from creditchain.client.verify import verify_refusal

    trust, _ = _trusted(profile, genesis, policy, log_key, refusal_key)
    refused = None if body is None else _read(body)
    _judge(as_json, verify_refusal(_read(note), _pinned(trust), refused))


@verify_app.command("bundle")
def verify_a_bundle(
    path: Annotated[Path, typer.Argument(help="The evidence bundle, a zip file.")],
    genesis: Genesis = None,
    policy: PolicyFile = None,
    log_key: LogKey = None,
    profile: ProfileName = None,
    as_json: AsJson = False,
) -> None:
    """Verify offline every event of an evidence bundle; without a pin, by its own founding."""
    from creditchain.client.verify import CannotReach, verify_bundle

    trust, _ = _trusted(profile, genesis, policy, log_key, None)
    try:
        verdict = verify_bundle(path, trust)
    except CannotReach as error:
        _fail(NO_ANSWER, str(error))
    _judge(as_json, verdict)


@verify_app.command("log")
def verify_a_log(
    where: Annotated[str, typer.Argument(help="A URL (https://hub.example/log) or a folder.")],
    complete: Annotated[
        bool, typer.Option("--complete", help="You may read every body: none may be missing.")
    ] = False,
    checkpoint: Annotated[
        Path | None, typer.Option(help="A checkpoint of your own, instead of the newest.")
    ] = None,
    genesis: Genesis = None,
    policy: PolicyFile = None,
    log_key: LogKey = None,
    profile: ProfileName = None,
    as_json: AsJson = False,
) -> None:
    """Verify a whole log: every tile, every entry, every body at hand, every signature."""
    from creditchain.client.verify import CannotReach, LogFolder, LogUrl, verify_log

    trust, founding = _trusted(profile, genesis, policy, log_key, None)
    note = None if checkpoint is None else _read(checkpoint)
    try:
        if where.startswith(("http://", "https://")):
            token = None if profile is None else _token(profile)
            files: Any = LogUrl(where, token)
        else:
            files = LogFolder(Path(where))
        with closing(files), _progress(as_json, "entries", None) as advance:
            verdict = verify_log(
                files,
                _pinned(trust),
                genesis=founding,
                checkpoint=note,
                complete=complete,
                progress=advance,
            )
    except CannotReach as error:
        _fail(NO_ANSWER, str(error))
    _judge(as_json, verdict)


def _judge(as_json: bool, verdict: Verdict) -> NoReturn:
    if as_json:
        _print_json(verdict.to_json())
    else:
        for name, value in verdict.facts.items():
            typer.echo(f"{name}: {_text(value)}")
        for problem in verdict.problems:
            typer.echo(f"PROBLEM: {problem}")
        typer.echo(f"{verdict.what}: {'verified' if verdict.ok else 'NOT VERIFIED'}")
    raise typer.Exit(0 if verdict.ok else REFUSED)


def _trusted(
    profile: str | None,
    genesis: Path | None,
    policy: Path | None,
    log_key: str | None,
    refusal_key: str | None,
) -> tuple[Any, bytes | None]:
    """What a person named to trust, else what the profile trusts."""
    from creditchain.client.evidence import BadEvidence
    from creditchain.client.verify import CannotReach, trust_of_files

    try:
        trust, body = trust_of_files(genesis, policy, log_key, refusal_key)
    except (BadEvidence, CannotReach) as error:
        _fail(UNFIT, str(error))
    if trust is None and profile is not None:
        return _with_profile(profile, lambda p: (p.trust(), p.genesis.read_bytes()))
    return trust, body


def _pinned(trust: Any) -> Any:
    if trust is None:
        _fail(UNFIT, "name what you trust: --genesis, --policy, --log-key, or a profile")
    return trust


def _token(profile: str) -> Callable[[], str]:
    """A token of the profile's, to read what the log gives to members only."""

    def token() -> str:
        async def work(client: Client) -> str:
            return await client.token()

        return _with_client(profile, work)

    return token


# What the commands share.


def _with_profile(name: str | None, work: Callable[[Profile], T]) -> T:
    from creditchain.client.keys import BadKeyFile
    from creditchain.client.profile import BadProfile, load_profile

    try:
        return work(load_profile(name))
    except (BadProfile, BadKeyFile) as error:
        _fail(UNFIT, str(error))
    except OSError as error:
        _fail(UNFIT, f"{error.filename}: {error.strerror}")


def _with_client(name: str | None, work: Callable[[Client], Awaitable[T]]) -> T:
    """What `work` gives with a client of the profile; its failures as sentences and exit codes."""
    import httpx2

    from creditchain.client.client import HubFailure, HubUnreachable, NotObserved, RefusedByHub
    from creditchain.client.evidence import BadEvidence
    from creditchain.client.report import BadReport
    from creditchain.client.token import SignInRefused
    from creditchain.events import MalformedEvent

    client = _with_profile(name, lambda chosen: chosen.client())

    async def run() -> T:
        async with client:
            return await work(client)

    try:
        return asyncio.run(run())
    except RefusedByHub as refused:
        _keep(name, refused=refused)
        told = {"code": refused.code.value, "message": refused.message, "path": refused.path}
        _fail(REFUSED, str(refused), {"refusal": {**told, "note": refused.note}})
    except BadReport as bad:
        for problem in bad.problems:
            typer.echo(f"{problem.code}: {problem.path or 'report'}: {problem.text}", err=True)
        facts = {"problems": [asdict(problem) for problem in bad.problems]}
        _fail(REFUSED, "the report is not what was ordered and delivered", facts)
    except BadEvidence as error:
        _fail(REFUSED, f"the hub's answer proves nothing: {error}")
    except MalformedEvent as error:
        _fail(UNFIT, str(error))
    except NotObserved as late:
        _fail(NO_ANSWER, f"on the log as entry {late.index}, but not cosigned in time; ask later")
    except SignInRefused as refused_sign_in:
        _fail(UNFIT, f"the hub does not let you in: {refused_sign_in}")
    except (HubFailure, HubUnreachable, httpx2.HTTPError) as error:
        _fail(NO_ANSWER, str(error))


def _say(
    profile: str | None,
    as_json: bool,
    said: Body | Callable[[Client], Awaitable[Body]],
    told: Mapping[str, Any] | None = None,
    *,
    observed: bool = False,
    **extra: Any,
) -> None:
    """Submits an event, keeps its receipt and shows what became of it."""

    async def work(client: Client) -> tuple[Sealed, Receipt]:
        body = await said(client) if callable(said) else said
        # What cannot be read back is not sent: the fault is named here, not by the hub.
        from creditchain.events import format_fields, parse_fields

        parse_fields(type(body), format_fields(body), "body")
        sealed = client.signer.seal(body)
        receipt = await _submit(client, sealed, observed, **extra)
        return sealed, receipt

    sealed, receipt = _with_client(profile, work)
    _keep(profile, sealed=sealed, receipt=receipt)
    from creditchain.events import format_time

    facts = {
        "id": sealed.event.id,
        "type": sealed.event.type,
        "index": receipt.index,
        "at": format_time(receipt.at),
        "level": receipt.level.value,
        **(told or {}),
    }
    _tell(
        as_json,
        facts,
        f"{sealed.event.type} {sealed.event.id}",
        f"entry {receipt.index}, {format_time(receipt.at)}, {receipt.level.value}",
        *(f"{name} {value}" for name, value in (told or {}).items()),
    )


async def _submit(client: Client, sealed: Sealed, observed: bool, **extra: Any) -> Receipt:
    from creditchain.client.evidence import Level

    level = Level.OBSERVED if observed else Level.CHECKPOINTED
    return await client.submit(sealed, wait_for=level, **extra)


def _keep(
    profile: str | None, *, sealed: Any = None, receipt: Any = None, refused: Any = None
) -> None:
    """Keeps body and receipt, or a refusal, in the profile's folder for them, if it names one."""
    from creditchain.client.profile import load_profile
    from creditchain.client.verify import keep_receipt
    from creditchain.events import b64u
    from creditchain.seal import Entry, format_entry

    folder = load_profile(profile).receipts
    if folder is None:
        return
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if refused is not None:
        commitment = refused.signed.commitment if refused.signed is not None else b"\0" * 32
        (folder / f"{b64u(commitment)}.refusal").write_text(refused.note, encoding="utf-8")
        return
    entry = format_entry(Entry(receipt.at, receipt.commitment))
    text = keep_receipt(receipt.proof, entry)
    (folder / f"{sealed.event.id}.body").write_bytes(sealed.body)
    (folder / f"{sealed.event.id}.tlog-proof").write_text(text, encoding="utf-8")


async def _found(client: Client, operation: str, id: str) -> Mapping[str, Any]:
    """What an operation finds under an id; ends the command when there is nothing."""
    found: Mapping[str, Any] | None = await client.ask(operation, id=id)
    if found is None:
        _fail(REFUSED, f"there is no {operation.lower()} {id}, or it is not yours to see")
    return found


def _show(profile: str | None, as_json: bool, operation: str, id: str) -> None:
    async def work(client: Client) -> Mapping[str, Any]:
        return await _found(client, operation, id)

    found = _with_client(profile, work)
    if as_json:
        _print_json(dict(found))
        return
    for name, value in found.items():
        if value is not None:
            typer.echo(f"{name}: {_text(value)}")


def _list(
    profile: str | None, as_json: bool, operation: str, columns: Sequence[str], **only: Any
) -> None:
    async def work(client: Client) -> list[Mapping[str, Any]]:
        return [node async for node in client.every(operation, **only)]

    found = _with_client(profile, work)
    if as_json:
        _print_json([dict(node) for node in found])
        return
    from rich.console import Console
    from rich.table import Table

    # One line a row, however narrow the window: ids are there to be copied.
    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, no_wrap=True)
    for node in found:
        table.add_row(*(_text(node.get(column)) for column in columns))
    Console(width=ROW_CHARS_MAX).print(table)


async def _enterprise(client: Client, text: str) -> str:
    """The id of an enterprise that is named by its id or by its code."""
    if text.startswith("en_"):
        return text
    found = await client.ask("FindEnterprise", uscc=_uscc(text))
    if found is None:
        _fail(REFUSED, f"no enterprise with the code {text} is enrolled")
    return str(found["id"])


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


def _sealed_of(body: bytes) -> Sealed:
    from creditchain.client.evidence import commitment_of
    from creditchain.events import parse_event_object, parse_json
    from creditchain.seal import BODY_BYTES_MAX, Sealed

    event = parse_event_object(parse_json(body, BODY_BYTES_MAX)["event"])
    return Sealed(event, "", body, commitment_of(body))


def _code(codes: type[E], text: str) -> E:
    try:
        return codes(text.strip().upper().replace("-", "_"))
    except ValueError:
        _fail(UNFIT, f"{text!r} is not one of {', '.join(code.value for code in codes)}")


def _sections(texts: Sequence[str] | None) -> tuple[Any, ...]:
    from creditchain.events.codes import Section

    names = [name for text in texts or [] for name in text.split(",")]
    if not names:
        _fail(UNFIT, "name at least one --section")
    return tuple(sorted({_code(Section, name) for name in names}))


def _uscc(text: str) -> str:
    """A code in its one spelling; full-width and lower case are how people paste it."""
    import unicodedata

    from stdnum.cn import uscc
    from stdnum.exceptions import ValidationError

    meant = unicodedata.normalize("NFKC", text).upper().replace("-", "").replace(" ", "")
    try:
        return str(uscc.validate(meant))
    except ValidationError as error:
        _fail(UNFIT, f"{text}: no Unified Social Credit Code: {error}")


def _time(text: str) -> int:
    """Milliseconds for a time that a person writes; a day begins at midnight UTC."""
    from datetime import UTC, datetime

    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        _fail(UNFIT, f"{text}: write a time as 2026-11-22 or 2026-11-22T08:00:00Z")
    return int(time.replace(tzinfo=time.tzinfo or UTC).timestamp() * 1000)


def _public_key(path: Path) -> PublicKey:
    """The public half of a key file, or a public JWK as others hand it over."""
    from creditchain.client.keys import BadKeyFile, load_key
    from creditchain.events import MalformedEvent, PublicKey

    try:
        value = json.loads(_read(path))
        if isinstance(value, dict) and "d" not in value:
            return PublicKey.from_json({k: v for k, v in value.items() if k != "kid"})
        return load_key(path).public
    except (BadKeyFile, MalformedEvent) as error:
        _fail(UNFIT, str(error) if str(path) in str(error) else f"{path}: {error}")
    except ValueError:
        _fail(UNFIT, f"{path}: no key, not even JSON")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        _fail(UNFIT, f"{path}: {error.strerror}")


def _digest_of(path: Path) -> bytes:
    import hashlib

    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError as error:
        _fail(UNFIT, f"{path}: {error.strerror}")


class _progress:  # noqa: N801 - used as a function
    """A progress bar on a terminal, nothing elsewhere: a callable that is told how far it is."""

    def __init__(self, as_json: bool, what: str, total: int | None) -> None:
        self._shown = not as_json and sys.stderr.isatty()
        self._what = what
        self._total = total
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> Callable[..., None]:
        if self._shown:
            from rich.console import Console
            from rich.progress import Progress

            self._bar = Progress(console=Console(stderr=True), transient=True)
            self._bar.start()
            self._task = self._bar.add_task(self._what, total=self._total)
        return self._advance

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def _advance(self, done: int, total: int | None = None) -> None:
        if self._bar is not None:
            self._bar.update(self._task, completed=done, total=total or self._total)


def _stop_on_signals() -> asyncio.Event:
    """An event that SIGTERM and SIGINT set."""
    import signal

    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


def _text(value: Any) -> str:
    """A value as a person reads it."""
    match value:
        case None:
            return ""
        case {"amount": int(amount), "currency": str(currency)}:
            if currency in WHOLE_CURRENCIES:
                return f"{amount:,} {currency}"
            sign, (whole, minor) = "-" * (amount < 0), divmod(abs(amount), 100)
            return f"{sign}{whole:,}.{minor:02d} {currency}"
        case {"id": id, **rest} if set(rest) <= {"name", "schema", "status", "uscc"}:
            return f"{id} {rest['name']}" if rest.get("name") else str(id)
        case dict():
            return ", ".join(f"{name} {_text(item)}" for name, item in value.items())
        case list() | tuple():
            return ", ".join(_text(item) for item in value)
        case _:
            return str(value)


def _line(as_json: bool, value: Mapping[str, Any]) -> None:
    """One line of something that goes on; flushed, because somebody waits for it."""
    text = (
        json.dumps(value, ensure_ascii=False) if as_json else " ".join(map(_text, value.values()))
    )
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _tell(as_json: bool, value: Mapping[str, Any], *lines: str) -> None:
    if as_json:
        _print_json(dict(value))
        return
    for line in lines:
        typer.echo(line)


def _print_json(value: object) -> None:
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2))


def _fail(code: int, message: str, facts: Mapping[str, Any] | None = None) -> NoReturn:
    """Ends the command: a sentence on standard error, and with --json an object beside it."""
    if _JSON.get():
        _print_json({"error": message, **(facts or {})})
    typer.echo(f"creditchain: {message}", err=True)
    raise typer.Exit(code)


def main() -> None:
    """The command `creditchain`."""
    app()


if __name__ == "__main__":
    main()
