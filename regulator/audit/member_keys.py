"""Keys: used while they live, and what to look at again when one proves to have been stolen.

PURE. Rules M03 and M08 of the theme members.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from creditchain.events import EVENTS, format_time
from creditchain.events.codes import KeyUse, Severity
from creditchain.events.consent import ConsentGranted
from creditchain.events.consortium import ConsortiumFounded
from creditchain.events.enterprise import AuthoriserKeyRevoked
from creditchain.events.membership import MemberAdmitted, MemberKeyAdded, MemberKeyRevoked
from creditchain.events.officer import OfficerAppointed, OfficerDismissed
from regulator.audit.fact import Member, SigningKey
from regulator.audit.rule import (
    Concern,
    Due,
    NoLimits,
    Regime,
    Rule,
    Said,
    View,
    limit,
)

KEYS_MAX: Final = 64
"""Signing keys of one member that are watched: twice as many as the law lets it have."""


class DayOfUse(NamedTuple):
    """What a key signed on one local day: first and last entry, how many, and the day before on
    which it signed, -1 for none.

    The newest has the id `actor/kid`; those before it `actor/kid/day`.
    """

    id: str
    day: int
    first: int
    last: int
    uses: int
    before: int


class OfficersKey(NamedTuple):
    """The key with which an officer was appointed."""

    officer: str
    kid: str


@dataclass(frozen=True, slots=True)
class Reopening:
    """`look_back_days`: how far back the uses of a key that was stolen are listed."""

    look_back_days: int = limit(1, 3_660, "days")


def key_out_of_validity(view: View, said: Said, limits: Reopening) -> Iterator[Concern]:
    """M03. A key signs only while it lives; what a stolen one signed is looked at again.

    X-Road and ReBIT (`InvalidKey`): what an expired or revoked key signed is void. Electronic
    Signature Law, articles 13 and 15: who learns that signing data is lost says so and stops using
    it. When a key's end tells since when it was compromised, its uses from that day on are cited.
    Grants of consent are C10's, officers after their end U08's.
    """
    body = said.body
    if isinstance(body, MemberKeyRevoked):
        yield from _reopen(view, said, f"{body.member}/{body.key}", body.compromised_since, limits)
    elif isinstance(body, AuthoriserKeyRevoked):
        place = f"{body.enterprise}/{body.key}"
        yield from _reopen(view, said, place, body.compromised_since, limits)
    elif isinstance(body, OfficerDismissed):
        theirs = view.get(OfficersKey, body.officer)
        if theirs is not None:
            place = f"{body.officer}/{theirs.kid}"
            yield from _reopen(view, said, place, body.compromised_since, limits)
    elif isinstance(body, OfficerAppointed):
        view.put(OfficersKey(body.officer, body.key.kid))
    place = f"{said.by}/{said.kid}"
    _note_use(view, said, place)
    if said.by.startswith("of_") or isinstance(body, ConsentGranted | ConsortiumFounded):
        return
    key = view.get(SigningKey, place)
    why = None
    if key is not None and key.expires_at is not None and key.expires_at <= said.at:
        why = "EXPIRED"
    elif key is not None and key.revoked_at is not None:
        why = "REVOKED"
    if why is not None and key is not None:
        yield Concern(_institution(view, said.by), [key.entry], facts={"why": why, "by": said.by})


def _note_use(view: View, said: Said, place: str) -> None:
    day = view.calendar.day(said.at)
    newest = view.get(DayOfUse, place)
    if newest is None:
        newest = DayOfUse(place, day, said.entry, said.entry, 0, -1)
    elif newest.day != day:
        view.put(newest._replace(id=f"{place}/{newest.day}"))
        newest = DayOfUse(place, day, said.entry, said.entry, 0, newest.day)
    view.put(newest._replace(last=said.entry, uses=newest.uses + 1))


def _reopen(
    view: View, said: Said, place: str, since: int | None, limits: Reopening
) -> Iterator[Concern]:
    key = view.get(SigningKey, place)
    if since is None or key is None:
        return
    if key.compromised_since is not None and key.compromised_since <= since:
        return
    earliest = max(view.calendar.day(since), view.calendar.day(said.at) - limits.look_back_days)
    entries: list[int] = []
    uses, one = 0, view.get(DayOfUse, place)
    while one is not None and one.day >= earliest:
        entries += (one.first, one.last)
        uses += one.uses
        # Where the log's time ran backwards a day may stand twice: never go round in circles.
        one = view.get(DayOfUse, f"{place}/{one.before}") if one.before < one.day else None
    if uses:
        owner = place.rpartition("/")[0]
        facts: dict[str, str | int] = {
            "why": "COMPROMISED",
            "since": format_time(since),
            "uses": uses,
            "by": owner,
        }
        officer = owner if owner.startswith("of_") else None
        yield Concern(_institution(view, owner), entries, officer, facts)


def _institution(view: View, actor: str) -> str | None:
    return None if actor.startswith("en_") else view.member_of(actor)


class SignKeys(NamedTuple):
    """The signing keys of a member that were not revoked."""

    member: str
    kids: tuple[str, ...]


def member_without_key(view: View, said: Said, _limits: NoLimits) -> Iterator[Concern]:
    """M08. A member that belongs has a live key to sign with.

    X-Road: a member without a valid certificate is out of the exchange, whatever its standing. It
    can appoint nobody, revoke nothing and answer only through the administrators it has.
    """
    match said.body:
        case ConsortiumFounded(regulator=regulator, operator=operator):
            for founder in (regulator, operator):
                view.put(SignKeys(founder.member, (founder.key.kid,)))
        case MemberAdmitted(member=member, key=key):
            view.put(SignKeys(member, (key.kid,)))
        case MemberKeyAdded(member=member, key=key, expires_at=expires_at):
            held = view.get(SignKeys, member)
            if held is not None and key.use is KeyUse.SIGN:
                view.put(held._replace(kids=(*held.kids, key.kid)[-KEYS_MAX:]))
                if expires_at is not None and expires_at > said.at:
                    view.wake(expires_at, member)
        case MemberKeyRevoked(member=member, key=kid):
            held = view.get(SignKeys, member)
            if held is not None and kid in held.kids:
                left = tuple(one for one in held.kids if one != kid)
                view.put(held._replace(kids=left))
                if not _lives(view, member, left, said.at):
                    key_before = view.get(SigningKey, f"{member}/{kid}")
                    entries = [] if key_before is None else [key_before.entry]
                    yield Concern(member, entries, facts={"why": "REVOKED"})


def judge_expiry(view: View, due: Due, _limits: NoLimits) -> Iterator[Concern]:
    """A key of the member has expired."""
    held = view.get(SignKeys, due.key)
    assert held is not None, "woken for a member with keys"
    member = view.get(Member, due.key)
    if member is None or member.withdrawn_at is not None or not held.kids:
        return
    if not _lives(view, due.key, held.kids, due.at):
        keys = [view.get(SigningKey, f"{due.key}/{kid}") for kid in held.kids]
        entries = [one.entry for one in keys if one is not None]
        yield Concern(due.key, entries, facts={"why": "EXPIRED"})


def _lives(view: View, member: str, kids: tuple[str, ...], at: int) -> bool:
    keys = [view.get(SigningKey, f"{member}/{kid}") for kid in kids]
    return any(one is not None and (one.expires_at is None or one.expires_at > at) for one in keys)


KEY_RULES: Final[tuple[Rule[Any], ...]] = (
    Rule(
        "M03",
        "Key used outside its validity, or since compromised",
        "使用失效或已泄露的密钥",
        Severity.HIGH,
        Regime.ENTERPRISE,
        Reopening,
        tuple(EVENTS.values()),
        key_out_of_validity,
    ),
    Rule(
        "M08",
        "Member without a live signing key",
        "成员无有效签名密钥",
        Severity.MEDIUM,
        Regime.ENTERPRISE,
        NoLimits,
        (ConsortiumFounded, MemberAdmitted, MemberKeyAdded, MemberKeyRevoked),
        member_without_key,
        judge_expiry,
    ),
)
