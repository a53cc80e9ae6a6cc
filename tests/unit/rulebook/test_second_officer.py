"""An order on a ground of law and an inspection case need a second person; a second id is none."""

import pytest

from creditchain.events import Event, b64u
from creditchain.events.codes import CaseMatter, LawfulGround, MemberKind, Purpose, Role, Section
from creditchain.events.inspection import CaseApproved
from creditchain.events.order import Ground, OrderApproved
from creditchain.events.product import Money
from creditchain.rulebook import DictBook, Refusal, Violation, decide
from creditchain.rulebook.record import (
    CONSORTIUM_ID,
    Case,
    CaseStatus,
    Consortium,
    Key,
    Member,
    Officer,
    Order,
    OrderStatus,
    Standing,
)
from creditchain.seal import Sealed
from fixtures import keys
from fixtures.consortium import Consortium as Fixture

LOG, AT = "hub.example/log", 1_800_000_000_000
ORDER = "01890a5d-ac96-774b-bcce-b302099a8057"


@pytest.mark.parametrize(("same_key", "expected"), [(True, Refusal.APPROVER_SAME), (False, None)])
def test_who_placed_it_under_another_id_cannot_approve(same_key, expected):
    bank = Fixture().members["bank-kapok"]
    first, second = keys.opaque("of", "first"), keys.opaque("of", "second")
    placing, approving = bank.key.public, Fixture().members["bank-lotus"].key.public
    used = placing if same_key else approving
    book = DictBook()
    book.put(
        [
            Consortium(CONSORTIUM_ID, "C", LOG, "reg", "op", 1, "", "", AT),
            Member(bank.id, MemberKind.BANK, "B", "990100", Standing.ACTIVE, AT, AT),
            Officer(first, bank.id, (Role.ORDER,), "", AT),
            Officer(second, bank.id, (Role.APPROVE,), "", AT),
            Key(f"{first}/{placing.kid}", first, placing.kid, placing, AT),
            Key(f"{second}/{used.kid}", second, used.kid, used, AT),
            Order(
                id=ORDER,
                orderer=bank.id,
                officer=first,
                enterprise=keys.opaque("en", "x"),
                agency="agency-pearl",
                product="agency-pearl/basic",
                purpose=Purpose.PRE_LOAN_REVIEW,
                sections=(Section.IDENTITY,),
                seal_to="",
                price=Money(1, "CNY"),
                status=OrderStatus.AWAITING_APPROVAL,
                placed_at=AT,
                due_at=AT + 1000,
                changed_at=AT,
                ground=Ground(LawfulGround.COURT, b64u(bytes(32))),
            ),
        ]
    )
    event = Event(ORDER, LOG, second, AT, keys.salt("x"), OrderApproved(ORDER))
    answer = decide(book, Sealed(event, used.kid, b"", b""), AT)
    assert (answer.code if isinstance(answer, Violation) else None) is expected


@pytest.mark.parametrize(("same_key", "expected"), [(True, Refusal.CASE_OFFICERS), (False, None)])
def test_who_opened_a_case_under_another_id_cannot_approve_it(same_key, expected):
    regulator = Fixture().members["delta-regulator"]
    first, second = keys.opaque("of", "first"), keys.opaque("of", "second")
    opening, approving = regulator.key.public, Fixture().members["bank-lotus"].key.public
    used = opening if same_key else approving
    book = DictBook()
    book.put(
        [
            Consortium(CONSORTIUM_ID, "C", LOG, regulator.id, "op", 1, "", "", AT),
            Member(regulator.id, MemberKind.REGULATOR, "R", "990100", Standing.ACTIVE, AT, AT),
            Officer(first, regulator.id, (Role.AUDIT,), "", AT),
            Officer(second, regulator.id, (Role.AUDIT,), "", AT),
            Key(f"{first}/{opening.kid}", first, opening.kid, opening, AT),
            Key(f"{second}/{used.kid}", second, used.kid, used, AT),
            Case(
                ORDER, "N 1", "bank-kapok", CaseMatter.ROUTINE, first, CaseStatus.OPENED, 0, AT, AT
            ),
        ]
    )
    event = Event(ORDER, LOG, second, AT, keys.salt("x"), CaseApproved(ORDER))
    answer = decide(book, Sealed(event, used.kid, b"", b""), AT)
    assert (answer.code if isinstance(answer, Violation) else None) is expected
