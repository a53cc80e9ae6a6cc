"""What agencies sell.

PURE.
"""

from __future__ import annotations

from dataclasses import dataclass

from creditchain.events.codes import Purpose, Section
from creditchain.events.field import Count, Currency, Label, Positive, ProductId, SchemaId


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in minor units of an ISO 4217 currency: 12345 CNY is 123.45 yuan."""

    amount: Count
    currency: Currency


@dataclass(frozen=True, slots=True)
class ProductOffered:
    """An agency offers a report: which sections, for which purposes, at what price, how fast.

    `due_within_ms` runs from the order's admission; past it an unanswered order lapses.
    """

    product: ProductId
    name: Label
    sections: tuple[Section, ...]
    purposes: tuple[Purpose, ...]
    price: Money
    due_within_ms: Positive
    schema: SchemaId


@dataclass(frozen=True, slots=True)
class ProductWithdrawn:
    """No new order may name the product; orders already placed are served."""

    product: ProductId
