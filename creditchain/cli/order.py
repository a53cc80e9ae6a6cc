"""Orders, from placing to the credit decision, and the reports they bring."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from creditchain.cli.asking import enterprise_id, find, show_list, show_one
from creditchain.cli.showing import NO_ANSWER, UNFIT, AsJson, fail, print_json, readable, tell_line
from creditchain.cli.speaking import say, with_client, with_profile
from creditchain.cli.words import (
    Observed,
    OrderId,
    ProfileName,
    Sections,
    code_of,
    event_id_given,
    read_file,
    sections_of,
)

if TYPE_CHECKING:
    from creditchain.client.client import Client
    from creditchain.events import Body

order_app = typer.Typer(
    name="order",
    help="Orders for reports, from placing to the credit decision.",
    no_args_is_help=True,
)
report_app = typer.Typer(name="report", help="Sealed reports.", no_args_is_help=True)


@order_app.command("place")
def order_place(
    enterprise: Annotated[str, typer.Argument(help="The enterprise: its id or its USCC.")],
    product: Annotated[str, typer.Option(help="agency/name.")],
    purpose: Annotated[str, typer.Option(help="PRE_LOAN_REVIEW, …")],
    section: Sections = None,
    consent: Annotated[
        str | None, typer.Option(help="The consent it rests on.", callback=event_id_given)
    ] = None,
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
        fail(UNFIT, "--ground and --document go together")
    basis, salt = None, fresh_salt()
    if ground is not None and document is not None:
        digest = fingerprint(unb64u(salt), read_file(document))
        basis = Ground(code_of(LawfulGround, ground), b64u(digest))
    why, sections = code_of(Purpose, purpose), sections_of(section)
    kid = with_profile(profile, lambda chosen: chosen.open_with().kid)

    async def work(client: Client) -> Body:
        subject = await enterprise_id(client, enterprise)
        return OrderPlaced(subject, product, why, sections, kid, consent, basis)

    told = {"documentSalt": salt} if basis is not None else {}
    say(profile, as_json, work, told, observed=observed)


@order_app.command("show")
def order_show(order: OrderId, profile: ProfileName = None, as_json: AsJson = False) -> None:
    """Show an order."""
    show_one(profile, as_json, "Order", order)


@order_app.command("track")
def order_track(
    order: OrderId,
    timeout: Annotated[
        float | None, typer.Option(help="Seconds to wait at most; then exit code 3.", min=0)
    ] = None,
    profile: ProfileName = None,
    as_json: AsJson = False,
) -> None:
    """Follow an order until it has ended; with --json one line for each change."""
    waiting = {"AWAITING_APPROVAL", "PLACED", "ACCEPTED"}

    async def work(client: Client) -> None:
        try:
            async with asyncio.timeout(timeout):
                await follow(client)
        except TimeoutError:
            fail(NO_ANSWER, f"order {order} has not ended within {timeout:g} seconds")

    async def follow(client: Client) -> None:
        from contextlib import aclosing

        log = await client.ask("Log")
        now = await find(client, "Order", order)
        tell_line(as_json, {"order": order, "status": now["status"], "at": now["changedAt"]})
        if now["status"] not in waiting:
            return
        async with aclosing(client.order_changes(int(log["size"]) - 1)) as changes:
            async for change in changes:
                if change.record["id"] != order:
                    continue
                status = change.record["status"]
                told = {"order": order, "status": status, "at": change.record["changedAt"]}
                tell_line(as_json, told)
                if status not in waiting:
                    return

    with_client(profile, work)


@order_app.command("list")
def order_list(
    status: Annotated[str | None, typer.Option(help="PLACED, DELIVERED, …")] = None,
    profile: ProfileName = None,
    as_json: AsJson = False,
) -> None:
    """List the orders you may see."""
    from creditchain.rulebook.record import OrderStatus

    status = None if status is None else code_of(OrderStatus, status).value
    columns = ("id", "status", "orderer", "agency", "enterprise", "outcome", "changedAt")
    show_list(profile, as_json, "Orders", columns, status=status)


@order_app.command("approve")
def order_approve(order: OrderId, profile: ProfileName = None, as_json: AsJson = False) -> None:
    """Approve an order on a ground of law, as a second officer."""
    from creditchain.events.order import OrderApproved

    say(profile, as_json, OrderApproved(order))


@order_app.command("cancel")
def order_cancel(order: OrderId, profile: ProfileName = None, as_json: AsJson = False) -> None:
    """Take an order back; possible until it is delivered."""
    from creditchain.events.order import OrderCancelled

    say(profile, as_json, OrderCancelled(order))


@order_app.command("acknowledge")
def order_acknowledge(order: OrderId, profile: ProfileName = None, as_json: AsJson = False) -> None:
    """Open the report, check every line of it, and acknowledge what was found."""
    from creditchain.events.order import DeliveryAcknowledged

    key = with_profile(profile, lambda chosen: chosen.open_with())

    async def work(client: Client) -> Body:
        from creditchain.client.opening import open_delivery

        if (await find(client, "Order", order))["outcome"] == "NOT_FOUND":
            return DeliveryAcknowledged(order)
        opened = await open_delivery(client, order, key)
        return DeliveryAcknowledged(order, opened.report.fingerprint)

    say(profile, as_json, work)


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

    stated = None if code is None else code_of(DisputeCode, code)
    key = with_profile(profile, lambda chosen: chosen.open_with())

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
            fail(UNFIT, "the report is what was delivered; name what is wrong with --code")
        return DeliveryDisputed(order, stated, opened.report.fingerprint)

    say(profile, as_json, work)


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
    say(profile, as_json, body)


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

    key = with_profile(profile, lambda chosen: chosen.open_with())

    async def work(client: Client) -> Any:
        from creditchain.client.opening import open_delivery

        return await open_delivery(client, order, key)

    opened = with_client(profile, work)
    if out is not None:
        try:
            write_private(out, opened.plaintext)
        except BadKeyFile as error:
            fail(UNFIT, str(error))
    if as_json:
        print_json(dict(opened.report.value))
        return
    from rich.console import Console
    from rich.table import Table

    report, console = opened.report, Console()
    table = Table(title=f"Report on {report.ordered.subject} by {report.ordered.agency}")
    for column in ("section", "what", "batch"):
        table.add_column(column, overflow="fold")
    for section, lines in report.lines.items():
        for line in lines:
            facts = ", ".join(
                f"{name}: {readable(value)}" for name, value in line.record.data.items()
            )
            table.add_row(section.value, facts, line.batch)
    for section, code in report.missing.items():
        table.add_row(section.value, f"missing: {code}", "")
    console.print(table)
    for objection in report.objections:
        console.print(f"Objected to: {objection.section} of {objection.holder} ({objection.id})")
    console.print(f"Every line was found in its batch. Fingerprint {report.fingerprint}")
