"""What an agency sells, and the worker that serves its orders."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from creditchain.cli.asking import show_list
from creditchain.cli.showing import UNFIT, AsJson, fail
from creditchain.cli.speaking import say, stop_on_signals, with_client, with_profile
from creditchain.cli.words import ProfileName, Sections, code_of, sections_of

if TYPE_CHECKING:
    from creditchain.client.client import Client

product_app = typer.Typer(name="product", help="What an agency sells.", no_args_is_help=True)
agency_app = typer.Typer(name="agency", help="What an agency runs.", no_args_is_help=True)


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

    purposes = tuple(sorted({code_of(Purpose, text) for text in purpose}))
    due_ms = int(hours * 3_600_000)
    money = Money(price, currency)
    say(
        profile,
        as_json,
        ProductOffered(product, name, sections_of(section), purposes, money, due_ms, SCHEMA),
    )


@product_app.command("withdraw")
def product_withdraw(
    product: Annotated[str, typer.Argument(help="agency/name.")],
    profile: ProfileName = None,
    as_json: AsJson = False,
) -> None:
    """Stop offering a report."""
    from creditchain.events.product import ProductWithdrawn

    say(profile, as_json, ProductWithdrawn(product))


@product_app.command("list")
def product_list(profile: ProfileName = None, as_json: AsJson = False) -> None:
    """List what is offered."""
    show_list(profile, as_json, "Products", ("id", "name", "sections", "purposes", "withdrawnAt"))


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
    from creditchain.client.record_store import RecordStore
    from creditchain.client.source import BadMapping, Source
    from creditchain.client.worker import Journal, Worker
    from creditchain.logs import set_up_logs

    set_up_logs()
    needs = with_profile(profile, lambda chosen: chosen.agency_profile(os.environ))
    try:
        source = Source.load(needs.mapping, needs.database)
        journal = Journal(needs.journal)
        stores = [RecordStore(path) for path in needs.records]
    except (BadMapping, BadStore) as error:
        fail(UNFIT, str(error))
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
        stop = stop_on_signals()
        await worker.run(stop)

    try:
        with_client(profile, work)
    finally:
        journal.close()
        source.close()
        for store in stores:
            store.close()
