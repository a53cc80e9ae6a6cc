"""Consents as they are given: their terms, who signed them, and the papers behind the signature.

PURE. Rules C07 to C10, C14, C16 and C18 of the theme consent.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from creditchain.events.codes import ErasureGround, KeyUse, MemberKind, Severity
from creditchain.events.consent import ConsentGranted
from creditchain.events.consortium import ConsortiumFounded
from creditchain.events.enterprise import (
    AuthoriserKeyAdded,
    AuthoriserKeyRevoked,
    EnterpriseEnrolled,
)
from creditchain.events.erasure import BodyErased
from creditchain.events.membership import MemberAdmitted, MemberKeyAdded
from creditchain.events.officer import OfficerAppointed
from creditchain.events.order import OrderPlaced
from regulator.audit.almanac import DAY_MS
from regulator.audit.fact import Consent, Member, SigningKey
from regulator.audit.rule import (
    Concern,
    NoLimits,
    Regime,
    Rule,
    Said,
    View,
    codes,
    limit,
    one_of,
)

HOLDERS_MAX: Final = 8
"""Institutions told apart that register one key: two are one too many."""


def _days(body: ConsentGranted) -> int:
    """The length of a consent's window, whole days, begun ones counted."""
    return -((body.terms.valid_from - body.terms.valid_until) // DAY_MS)


def _asked(view: View, body: ConsentGranted) -> tuple[list[int], str | None]:
    """The entry that asked for this consent, and the officer who did."""
    consent = view.get(Consent, body.consent)
    return ([], None) if consent is None else ([consent.entry], consent.officer)


@dataclass(frozen=True, slots=True)
class Ceilings:
    """The longest window and the most uses by purpose; beyond `open_ended` ones C09 begins."""

    open_ended_days: int = limit(1, 36_500, "days")
    open_ended_uses: int = limit(1, 1_000_000, "uses")
    pre_loan_review_days: int = limit(1, 36_500, "days")
    pre_loan_review_uses: int = limit(1, 100_000, "uses")
    in_loan_operation_days: int = limit(1, 36_500, "days")
    in_loan_operation_uses: int = limit(1, 100_000, "uses")
    post_loan_management_days: int = limit(1, 36_500, "days")
    post_loan_management_uses: int = limit(1, 100_000, "uses")
    related_party_query_days: int = limit(1, 36_500, "days")
    related_party_query_uses: int = limit(1, 100_000, "uses")
    guarantee_review_days: int = limit(1, 36_500, "days")
    guarantee_review_uses: int = limit(1, 100_000, "uses")
    other_days: int = limit(1, 36_500, "days")
    other_uses: int = limit(1, 100_000, "uses")


def over_the_ceiling(view: View, said: Said, limits: Ceilings) -> Iterator[Concern]:
    """C07. A consent is as long and as often usable as its purpose needs, not more.

    Sahamati consent templates: validity and frequency have a ceiling by purpose, and requests over
    it are refused (412). What counts as open-ended is told by C09.
    """
    body = said.body
    assert isinstance(body, ConsentGranted)
    name = body.terms.purpose.value.lower()
    days_max, uses_max = getattr(limits, f"{name}_days"), getattr(limits, f"{name}_uses")
    facts: dict[str, str | int] = {}
    days = _days(body)
    if days_max < days <= limits.open_ended_days:
        facts |= {"days": days, "daysMax": days_max}
    if uses_max < body.terms.uses_max <= limits.open_ended_uses:
        facts |= {"uses": body.terms.uses_max, "usesMax": uses_max}
    if facts:
        proof, officer = _asked(view, body)
        facts |= {"consent": body.consent, "purpose": body.terms.purpose.value}
        yield Concern(body.terms.grantee, proof, officer, facts)


def element_missing(view: View, said: Said, _limits: NoLimits) -> Iterator[Concern]:
    """C08. A consent names parties, purpose, content, period, scope and use, and is signed.

    The elements of a valid authorisation as banking supervision lists them. The format has a place
    for each; here is what it still lets through: a consent nobody asked for, a grantee that is no
    bank or not the one that asked, a window that is empty or over, agencies that are none. The
    signature is C10's.
    """
    body = said.body
    assert isinstance(body, ConsentGranted)
    terms = body.terms
    consent = view.get(Consent, body.consent)
    missing = []
    if consent is None:
        missing.append("REQUEST")
    grantee = view.get(Member, terms.grantee)
    asker = terms.grantee if consent is None else view.member_of(consent.officer)
    if grantee is None or grantee.kind != MemberKind.BANK or asker != terms.grantee:
        missing.append("PARTIES")
    if terms.valid_until <= terms.valid_from or terms.valid_until <= said.at:
        missing.append("PERIOD")
    agencies = [view.get(Member, agency) for agency in terms.agencies]
    if any(one is None or one.kind != MemberKind.AGENCY for one in agencies):
        missing.append("SCOPE")
    if missing:
        proof, officer = _asked(view, body)
        yield Concern(
            terms.grantee, proof, officer, {"missing": ",".join(missing), "consent": body.consent}
        )


@dataclass(frozen=True, slots=True)
class OpenEnd:
    """`days`, `uses`: a consent over one of them has no end that means anything."""

    days: int = limit(1, 36_500, "days")
    uses: int = limit(1, 1_000_000, "uses")


def open_ended(view: View, said: Said, limits: OpenEnd) -> Iterator[Concern]:
    """C09. No consent is open-ended or blanket.

    Authority "until all business is settled" is what supervisors object to; practice is one year.
    """
    body = said.body
    assert isinstance(body, ConsentGranted)
    facts: dict[str, str | int] = {}
    if (days := _days(body)) > limits.days:
        facts["days"] = days
    if body.terms.uses_max > limits.uses:
        facts["uses"] = body.terms.uses_max
    if facts:
        proof, officer = _asked(view, body)
        facts["consent"] = body.consent
        yield Concern(body.terms.grantee, proof, officer, facts)


def signatory_without_authority(view: View, said: Said, _limits: NoLimits) -> Iterator[Concern]:
    """C10. Who signs a consent holds live authority for that enterprise, and it did when it counts.

    Commercial registries want the signatory's power of attorney with each authorisation; Electronic
    Signature Law, article 13: the signing data belongs to the signatory alone. An order under a
    consent whose key turned out compromised before it signed rests on nobody's authority.
    """
    body = said.body
    if isinstance(body, OrderPlaced):
        consent = None if body.consent is None else view.get(Consent, body.consent)
        if consent is None or consent.granted_kid is None or consent.granted_at is None:
            return
        key = view.get(SigningKey, f"{consent.enterprise}/{consent.granted_kid}")
        since = None if key is None else key.compromised_since
        if since is not None and since <= consent.granted_at:
            proof = [one for one in (consent.entry, consent.granted_index) if one is not None]
            yield Concern(
                view.member_of(said.by), proof, said.by, {"why": "COMPROMISED", "order": said.id}
            )
        return
    assert isinstance(body, ConsentGranted)
    consent = view.get(Consent, body.consent)
    key = view.get(SigningKey, f"{said.by}/{said.kid}")
    why = None
    if consent is not None and consent.enterprise != said.by:
        why = "OF_ANOTHER_ENTERPRISE" if said.by.startswith("en_") else "NOT_OF_THE_ENTERPRISE"
    elif key is None:
        why = "MISSING"
    elif key.expires_at is not None and key.expires_at <= said.at:
        why = "EXPIRED"
    elif key.revoked_at is not None:
        why = "REVOKED"
    if why is not None:
        proof, officer = _asked(view, body)
        proof += [] if key is None else [key.entry]
        yield Concern(body.terms.grantee, proof, officer, {"why": why, "consent": body.consent})


class Authorisation(NamedTuple):
    """Which consent was granted by the entry of this index."""

    id: str
    consent: str


@dataclass(frozen=True, slots=True)
class Archive:
    """`keep_days`: how long an authorisation is kept after its end; `grounds`: erasures that are
    lawful sooner."""

    keep_days: int = limit(0, 36_500, "days")
    grounds: tuple[str, ...] = codes(10, one_of(ErasureGround), "ground of erasure")


def authorisation_gone(view: View, said: Said, limits: Archive) -> Iterator[Concern]:
    """C14. The authorisation behind an order is kept, also where the application was declined.

    Supervisors ask for the authorisation of declined applications too and object where the archive
    has none. Here it is gone when the body of its grant is erased before its time.
    """
    body = said.body
    if isinstance(body, ConsentGranted):
        view.put(Authorisation(str(said.entry), body.consent))
        return
    assert isinstance(body, BodyErased)
    archived = view.get(Authorisation, str(body.index))
    consent = None if archived is None else view.get(Consent, archived.consent)
    if consent is None or not consent.orders or body.ground.value in limits.grounds:
        return
    ended_at = consent.valid_until
    if consent.ended_at is not None:
        ended_at = min(ended_at, consent.ended_at)
    if said.at < ended_at + limits.keep_days * DAY_MS:
        facts: dict[str, str | int] = {"consent": consent.id, "orders": consent.orders}
        facts["ground"] = body.ground.value
        yield Concern(view.member_of(said.by), [consent.entry, body.index], facts=facts)


class Paper(NamedTuple):
    """What one fingerprint stood behind: the first enterprises with their entries, and how often.

    The id is `authority/` or `document/` and the fingerprint.
    """

    id: str
    enterprises: tuple[str, ...]
    entries: tuple[int, ...]
    times: int


@dataclass(frozen=True, slots=True)
class Papers:
    """`enterprises`, `keys`: how many one authority paper may stand behind; `subjects`: how many
    enterprises may be looked at on one document of law."""

    enterprises: int = limit(1, 50, "enterprises")
    keys: int = limit(1, 1_000, "keys")
    subjects: int = limit(1, 50, "enterprises")


def paper_used_again(view: View, said: Said, limits: Papers) -> Iterator[Concern]:
    """C16. One paper does not authorise for many.

    Registry inspections found one authorisation paper behind queries on many enterprises. Each
    fingerprint is salted, so the same one twice is the same copy of the same paper.
    """
    body = said.body
    most = limits.enterprises
    if isinstance(body, OrderPlaced):
        if body.ground is None:
            return
        name, most = f"document/{body.ground.document}", limits.subjects
    else:
        assert isinstance(body, EnterpriseEnrolled | AuthoriserKeyAdded)
        name = f"authority/{body.authority}"
    paper = view.get(Paper, name) or Paper(name, (), (), 0)
    is_new = body.enterprise not in paper.enterprises
    why = None
    if is_new and len(paper.enterprises) >= most:
        why = "SUBJECTS" if isinstance(body, OrderPlaced) else "ENTERPRISES"
    elif is_new:
        enterprises, entries = (*paper.enterprises, body.enterprise), (*paper.entries, said.entry)
        paper = paper._replace(enterprises=enterprises, entries=entries)
    elif not isinstance(body, OrderPlaced) and paper.times >= limits.keys:
        why = "KEYS"
    view.put(paper._replace(times=paper.times + 1))
    if why is not None:
        facts: dict[str, str | int] = {"why": why, "times": paper.times + 1}
        yield Concern(view.member_of(said.by), paper.entries, facts=facts)


class MemberHeld(NamedTuple):
    """The first institutions that registered this key, as their own or an officer's, and where."""

    kid: str
    members: tuple[str, ...]
    entries: tuple[int, ...]


class Vouched(NamedTuple):
    """A key that a member added for an enterprise that had a live one; id `enterprise/kid`."""

    id: str
    member: str
    added_at: int
    entry: int


class LiveKeys(NamedTuple):
    """How many keys of an enterprise are not revoked."""

    enterprise: str
    keys: int


@dataclass(frozen=True, slots=True)
class Vouching:
    """`days`: how long after a voucher alone added a key a consent to it is looked into."""

    days: int = limit(1, 36_500, "days")


def voucher_consents(view: View, said: Said, limits: Vouching) -> Iterator[Concern]:
    """C18. Who vouches for an enterprise does not consent in its name.

    Electronic Signature Law, article 13: the signing data is under the signatory's control alone. A
    voucher can add a key without the enterprise's signature and so consent to itself. Looked into
    is a grant by a key that a party to the consent (the grantee, or an agency it names) added alone
    while the enterprise had a live key to sign with, and any grant by a key that an institution has
    registered as its own or an officer's. It is held against that institution: whoever knows a
    public key can register it, and nobody else is to answer for that. A key added after the last
    one was revoked is recovery.
    """
    body = said.body
    if not isinstance(body, ConsentGranted):
        _note_keys(view, said)
        return
    held = view.get(MemberHeld, said.kid)
    vouched = view.get(Vouched, f"{said.by}/{said.kid}")
    proof, officer = _asked(view, body)
    terms = body.terms
    if held is not None:
        facts: dict[str, str | int] = {"why": "KEY_OF_A_MEMBER", "consent": body.consent}
        # Of several that registered it, the one that profits.
        of = terms.grantee if terms.grantee in held.members else held.members[0]
        entry = held.entries[held.members.index(of)]
        facts["of"] = of
        yield Concern(of, [*proof, entry], officer if of == terms.grantee else None, facts)
    elif (
        vouched is not None
        and vouched.member in {terms.grantee, *terms.agencies}
        and said.at < vouched.added_at + limits.days * DAY_MS
    ):
        facts = {"why": "ADDED_BY_VOUCHER", "consent": body.consent, "of": vouched.member}
        own = vouched.member == terms.grantee
        yield Concern(vouched.member, [*proof, vouched.entry], officer if own else None, facts)


def _note_holder(view: View, kid: str, member: str, entry: int) -> None:
    held = view.get(MemberHeld, kid) or MemberHeld(kid, (), ())
    if member not in held.members and len(held.members) < HOLDERS_MAX:
        members, entries = (*held.members, member), (*held.entries, entry)
        view.put(MemberHeld(kid, members, entries))


def _note_keys(view: View, said: Said) -> None:
    match said.body:
        case ConsortiumFounded(regulator=regulator, operator=operator):
            for founder in (regulator, operator):
                _note_holder(view, founder.key.kid, founder.member, said.entry)
        case MemberAdmitted(member=member, key=key) | MemberKeyAdded(member=member, key=key):
            if key.use is KeyUse.SIGN:
                _note_holder(view, key.kid, member, said.entry)
        case OfficerAppointed(key=key):
            _note_holder(view, key.kid, view.member_of(said.by) or said.by, said.entry)
        case EnterpriseEnrolled(enterprise=enterprise):
            view.put(LiveKeys(enterprise, 1))
        case AuthoriserKeyRevoked(enterprise=enterprise, key=kid):
            live = view.get(LiveKeys, enterprise)
            key_before = view.get(SigningKey, f"{enterprise}/{kid}")
            if live is not None and key_before is not None and key_before.revoked_at is None:
                view.put(live._replace(keys=live.keys - 1))
        case AuthoriserKeyAdded(enterprise=enterprise, key=key):
            live = view.get(LiveKeys, enterprise) or LiveKeys(enterprise, 0)
            voucher = view.member_of(said.by)
            if voucher is not None and live.keys:
                view.put(Vouched(f"{enterprise}/{key.kid}", voucher, said.at, said.entry))
            view.put(live._replace(keys=live.keys + 1))


GRANT_RULES: Final[tuple[Rule[Any], ...]] = (
    Rule(
        "C07",
        "Consent over the ceiling of its purpose",
        "授权期限或次数超出用途上限",
        Severity.MEDIUM,
        Regime.ENTERPRISE,
        Ceilings,
        (ConsentGranted,),
        over_the_ceiling,
    ),
    Rule(
        "C08",
        "Consent without a mandatory element",
        "授权书缺少必备要素",
        Severity.HIGH,
        Regime.ENTERPRISE,
        NoLimits,
        (ConsentGranted,),
        element_missing,
    ),
    Rule(
        "C09",
        "Open-ended or blanket consent",
        "无期限或概括性授权",
        Severity.HIGH,
        Regime.ENTERPRISE,
        OpenEnd,
        (ConsentGranted,),
        open_ended,
    ),
    Rule(
        "C10",
        "Signatory without authority",
        "签署人无有效授权",
        Severity.HIGH,
        Regime.ENTERPRISE,
        NoLimits,
        (ConsentGranted, OrderPlaced),
        signatory_without_authority,
    ),
    Rule(
        "C14",
        "Authorisation erased while it must be kept",
        "授权档案在保存期内被删除",
        Severity.MEDIUM,
        Regime.ENTERPRISE,
        Archive,
        (ConsentGranted, BodyErased),
        authorisation_gone,
    ),
    Rule(
        "C16",
        "One paper behind many",
        "同一授权文件用于多个主体",
        Severity.HIGH,
        Regime.ENTERPRISE,
        Papers,
        (EnterpriseEnrolled, AuthoriserKeyAdded, OrderPlaced),
        paper_used_again,
    ),
    Rule(
        "C18",
        "Consent by a key of the voucher's",
        "推荐机构以自控密钥代企业授权",
        Severity.HIGH,
        Regime.ENTERPRISE,
        Vouching,
        (
            ConsortiumFounded,
            MemberAdmitted,
            MemberKeyAdded,
            OfficerAppointed,
            EnterpriseEnrolled,
            AuthoriserKeyAdded,
            AuthoriserKeyRevoked,
            ConsentGranted,
        ),
        voucher_consents,
    ),
)
