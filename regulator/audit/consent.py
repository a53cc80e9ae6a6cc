"""Consent: given by whom it must be, to whom it names, and used as it says.

PURE. Rules C01 to C17.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from creditchain.events.order import OrderPlaced
from regulator.audit.history import Consent
from regulator.audit.rule import Concern, NoLimits, Regime, Rule, Said, Severity, View


def order_without_consent(view: View, said: Said, _limits: NoLimits) -> Iterator[Concern]:
    """C01. An order stands only under a consent that was valid when it was placed, or on a ground
    of law.

    Regulation (State Council Order 631 of 2013), articles 18 and 40(3): querying without the
    consent of the subject is an offence.
    """
    body = said.body
    assert isinstance(body, OrderPlaced)
    if body.ground is not None:
        return
    member = view.member_of(said.by)
    if body.consent is None:
        yield Concern(member, officer=said.by, facts={"why": "NONE_CITED"})
        return
    consent = view.get(Consent, body.consent)
    if consent is None:
        yield Concern(member, officer=said.by, facts={"why": "UNKNOWN"})
        return
    why = None
    if consent.granted_at is None:
        why = "NOT_GRANTED"
    elif consent.ended_at is not None:
        why = consent.ended or "ENDED"
    elif not consent.valid_from <= said.at < consent.valid_until:
        why = "OUTSIDE_ITS_WINDOW"
    elif consent.orders >= consent.uses_max:
        why = "USED_UP"
    if why is not None:
        proof = [consent.entry, consent.granted_index, consent.ended_index]
        yield Concern(member, [one for one in proof if one is not None], said.by, {"why": why})


C01: Final = Rule(
    "C01",
    "Order without a valid consent",
    "未经有效授权查询",
    Severity.HIGH,
    Regime.ENTERPRISE,
    NoLimits,
    (OrderPlaced,),
    order_without_consent,
)

CONSENT_RULES: Final[tuple[Rule[Any], ...]] = (C01,)
