"""What agencies offer.

PURE. A product id is used once: an order's product never changes under it, and a new offer takes a
new name.
"""

from __future__ import annotations

from typing import Final

from creditchain.events.product import ProductOffered, ProductWithdrawn
from creditchain.rulebook.book import Book, Writes
from creditchain.rulebook.change import replace
from creditchain.rulebook.record import Product
from creditchain.rulebook.refusal import Refusal, Violation
from creditchain.rulebook.rule import AGENCIES, BY_ADMINISTRATOR, DAY_MS, Act, Rule, Rules

DUE_WITHIN_MAX_MS: Final = 30 * DAY_MS
"""The longest time to serve an order: the 30 days of SI 2015/1945 regulation 3."""


def offer(book: Book, body: ProductOffered, act: Act) -> Writes | Violation:
    """An agency offers a report under its own name."""
    if body.product.partition("/")[0] != act.member:
        return Violation(Refusal.NOT_YOURS, "body.product")
    if book.get(Product, body.product) is not None:
        return Violation(Refusal.PRODUCT_EXISTS, "body.product")
    if body.due_within_ms > DUE_WITHIN_MAX_MS:
        return Violation(Refusal.TERMS_TOO_LONG, "body.dueWithinMs")
    return (
        Product(
            id=body.product,
            agency=act.member,
            name=body.name,
            sections=body.sections,
            purposes=body.purposes,
            price=body.price,
            due_within_ms=body.due_within_ms,
            schema=body.schema,
            offered_at=act.at,
        ),
    )


def withdraw(book: Book, body: ProductWithdrawn, act: Act) -> Writes | Violation:
    """No new order may name the product; orders already placed are served."""
    if body.product.partition("/")[0] != act.member:
        return Violation(Refusal.NOT_YOURS, "body.product")
    product = book.get(Product, body.product)
    if product is None:
        return Violation(Refusal.PRODUCT_UNKNOWN, "body.product")
    if product.withdrawn_at is not None:
        return Violation(Refusal.PRODUCT_WITHDRAWN, "body.product")
    return (replace(product, withdrawn_at=act.at),)


RULES: Rules = {
    ProductOffered: Rule(offer, BY_ADMINISTRATOR, AGENCIES),
    ProductWithdrawn: Rule(withdraw, BY_ADMINISTRATOR, AGENCIES),
}
