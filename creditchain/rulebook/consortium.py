"""The founding, and the change of law.

PURE. The founding is signed by the regulator it names, with the key it names: nobody vouches for
the first event but whoever pins its commitment. Whether a rulebook's version exists is asked in
`decide`, before anything about the signer.
"""

from __future__ import annotations

from creditchain.events.codes import KeyUse, MemberKind
from creditchain.events.consortium import ConsortiumFounded, Founder, RulebookAdopted
from creditchain.rulebook.book import Book, Writes
from creditchain.rulebook.change import replace
from creditchain.rulebook.record import CONSORTIUM_ID, Consortium, Key, Member, Standing
from creditchain.rulebook.refusal import Refusal, Violation
from creditchain.rulebook.rule import BY_ADMINISTRATOR, REGULATOR, Act, Rule, Rules
from creditchain.seal import Sealed


def found(body: ConsortiumFounded, sealed: Sealed, at: int) -> Writes | Violation:
    """The consortium, its regulator and its operator, each with the key that speaks for it."""
    event = sealed.event
    if sealed.kid != body.regulator.key.kid:
        return Violation(Refusal.KEY_UNKNOWN, "by")
    if event.by != body.regulator.member:
        return Violation(Refusal.NOT_YOURS, "by")
    if body.operator.member == body.regulator.member:
        return Violation(Refusal.MEMBER_EXISTS, "body.operator.member")
    for name, founder in (("regulator", body.regulator), ("operator", body.operator)):
        if founder.key.use is not KeyUse.SIGN:
            return Violation(Refusal.KEY_USE, f"body.{name}.key")
    consortium = Consortium(
        id=CONSORTIUM_ID,
        name=body.name,
        log=event.log,
        regulator=body.regulator.member,
        operator=body.operator.member,
        rulebook=body.rulebook,
        log_key=body.log_key,
        refusal_key=body.refusal_key,
        founded_at=at,
    )
    return (
        consortium,
        *_admit_founder(body.regulator, MemberKind.REGULATOR, at),
        *_admit_founder(body.operator, MemberKind.OPERATOR, at),
    )


def adopt(_book: Book, body: RulebookAdopted, act: Act) -> Writes | Violation:
    """From the next event on, another version of the law."""
    return (replace(act.consortium, rulebook=body.version),)


def _admit_founder(founder: Founder, kind: MemberKind, at: int) -> tuple[Member, Key]:
    kid = founder.key.kid
    return (
        Member(
            id=founder.member,
            kind=kind,
            name=founder.name,
            region=founder.region,
            standing=Standing.ACTIVE,
            admitted_at=at,
            changed_at=at,
            sign_keys=(kid,),
        ),
        Key(
            id=f"{founder.member}/{kid}",
            owner=founder.member,
            kid=kid,
            key=founder.key,
            added_at=at,
        ),
    )


# ConsortiumFounded is not in the table: before it there is no book to look its signer up in.
RULES: Rules = {RulebookAdopted: Rule(adopt, BY_ADMINISTRATOR, REGULATOR)}
