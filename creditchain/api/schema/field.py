"""Ways to say a field, and what the resolvers of this door get."""

from __future__ import annotations

from typing import Protocol

from creditchain.api.inquiry import Inquiry
from creditchain.querying.field import many, maybe, maybe_many, one

__all__ = ["Info", "many", "maybe", "maybe_many", "one"]


class Info(Protocol):
    """What graphql-core hands a resolver beside the object; of it ours use the inquiry only."""

    context: Inquiry
