"""How much one request may ask of the hub, and one caller in a while; of a document: `querying`.

Every bound has its reason here.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

ROOT_COSTS: Final = {"counters": 200, "findEnterprise": 50, "submit": 2_000}
"""Root fields that count whole tables, look into the directory or take many events."""

BODY_BYTES_MAX: Final = 256 * 1024
"""A request: the largest event (64 KiB) as JSON inside JSON, twice over."""

CALLERS_REMEMBERED: Final = 20_000
"""Callers whose recent use is counted."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What an operator may set."""

    requests_per_s: float | None = None
    """Requests one actor may make each second on average; None: as many as the hub can serve."""
    burst: int = 2_000
    """Requests one actor may make at once before the average counts."""
    in_flight: int = 2_048
    """GraphQL requests worked on at once; the ledger's queue is bounded on its own."""
    in_flight_per_party: int = 512
    """Of these by one party, so that no member alone keeps the others waiting."""
    sockets: int = 1_000
    """WebSocket and SSE connections open at once."""
    sockets_per_party: int = 100
    """Of these by one party: an institution's workers and the officers who watch."""
    sockets_of_strangers: int = 250
    """Of these by whoever has not signed in (yet)."""
    stranger_life_s: float = 10.0
    """How long a WebSocket without a token stays open: there is nothing to follow on it."""
    subscriptions_per_socket: int = 16
    """Operations open at once on one WebSocket."""
    init_timeout_s: float = 5.0
    """How long a WebSocket may stay silent before `connection_init`."""
    observed_timeout_s: float = 20.0
    """How long `waitFor: OBSERVED` waits; the observer cosigns within a second or two."""
    introspection: bool = True
    """Whether `__schema` and `__type` answer signed-in callers; the SDL is public anyway."""


class Meter:
    """A token bucket per actor, for as many actors as are remembered."""

    def __init__(self, limits: Limits) -> None:
        self._rate = limits.requests_per_s
        self._burst = float(limits.burst)
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def admit(self, actor: str, now_s: float) -> float:
        """Seconds the actor must wait before the next request; 0.0: go on, counted."""
        if self._rate is None:
            return 0.0
        # A caller forgotten for others starts with a full bucket again.
        level, since = self._buckets.pop(actor, (self._burst, now_s))
        level = min(self._burst, level + (now_s - since) * self._rate)
        wait = 0.0 if level >= 1.0 else (1.0 - level) / self._rate
        self._buckets[actor] = (level if wait else level - 1.0, now_s)
        if len(self._buckets) > CALLERS_REMEMBERED:
            self._buckets.popitem(last=False)
        return wait
