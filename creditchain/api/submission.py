"""From a typed input and its seal to the log, and what has to happen beside it.

The event is built from exactly the fields that came, the ledger judges seal and law, and the answer
leaves after commit. Names, words and sealed reports are staged before the event is submitted and
confirmed after it was admitted; a crash in between is healed by repeating the mutation, which
answers with the same receipt, or by the hub's clock.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from creditchain.api.action import ACTION_OF, Action
from creditchain.api.failure import DoorError, ErrorCode
from creditchain.directory import (
    BadRow,
    EnterpriseRow,
    IdentityMismatch,
    OfficerRow,
    StatementRow,
    UsccTaken,
    What,
)
from creditchain.events import (
    Body,
    Event,
    MalformedEvent,
    b64u,
    canonical_json,
    format_event,
    parse_fields,
    parse_time,
)
from creditchain.events.enterprise import EnterpriseEnrolled
from creditchain.events.erasure import DirectoryErased, ReportErased
from creditchain.events.finding import FindingAnswered
from creditchain.events.inspection import IdentitiesResolved
from creditchain.events.objection import ObjectionAnswered, ObjectionRaised
from creditchain.events.officer import OfficerAppointed
from creditchain.events.order import ReportDelivered
from creditchain.ledger import Admitted, Refused
from creditchain.rulebook import decide
from creditchain.rulebook.readers import member_of
from creditchain.rulebook.record import Erasure, Look
from creditchain.rulebook.refusal import SENTENCES, Refusal, Violation
from creditchain.seal import PROOF_BYTES_MAX, Sealed, assemble

if TYPE_CHECKING:
    from creditchain.api.inquiry import Inquiry
    from creditchain.api.schema.code import ReceiptLevels

__all__ = ["EVENTS_AT_ONCE_MAX", "act", "b64u", "submit_bodies"]

EVENTS_AT_ONCE_MAX: Final = 64
"""Events in one `submit`; as many fit the request limit at their usual size of 1 to 3 KB."""


async def act(
    inquiry: Inquiry,
    action: Action,
    said: Body | dict[str, Any],
    seal: dict[str, Any],
    extra: dict[str, Any] | None,
    wait_for: ReceiptLevels,
) -> dict[str, Any]:
    """The payload of a mutation: the record, and a receipt or a refusal.

    `said` is the event's body, or the fields of an input that did not parse as one straight away.
    """
    ledger = inquiry.doors.ledger
    _check_speaks(inquiry, seal["by"])
    if action.body is IdentitiesResolved and inquiry.speaker.actor != seal["by"]:
        raise DoorError(ErrorCode.FORBIDDEN, "Names are shown to the officer who signs the look.")
    proof = _proof_of(seal["proof"])
    try:
        event = Event(
            seal["id"],
            ledger.origin,
            seal["by"],
            parse_time(seal["signedAt"]),
            seal["salt"],
            parse_fields(action.body, said, "body") if isinstance(said, dict) else said,
        )
    except MalformedEvent as error:
        violation = Violation(Refusal.EVENT_MALFORMED, error.path)
        assert isinstance(said, dict), "a body that was parsed is no malformed event"
        raw = _body_as_said(ledger.origin, action, said, seal, proof)
        return {"refusal": _refuse(inquiry, raw, violation)}
    screened = ledger.screen(event, proof)
    if isinstance(screened, Violation):
        raw = _body_bytes(event, proof)
        return {"refusal": _refuse(inquiry, raw, screened)}
    [answer] = await _submit(inquiry, [(screened, _beside(inquiry, event, extra))])
    if isinstance(answer, Refused):
        return {"refusal": _refusal(inquiry, answer)}
    receipt = await _receipt(inquiry, answer, wait_for)
    # Straight from the book's memory, where the commit has just put it.
    record = ledger.book.get(action.kind, action.id_of(event))
    payload = {action.field: await inquiry.seen(record), "receipt": receipt}
    if isinstance(record, Look):
        payload |= await inquiry.names_in(record)
    return payload


async def submit_bodies(inquiry: Inquiry, bodies: Sequence[str]) -> list[dict[str, Any]]:
    """The answers to signed events in their order; each is admitted or refused on its own."""
    if not 1 <= len(bodies) <= EVENTS_AT_ONCE_MAX:
        raise DoorError(ErrorCode.BAD_USER_INPUT, f"1 to {EVENTS_AT_ONCE_MAX} events at once.")
    ledger = inquiry.doors.ledger
    inquiry.require()
    answers: list[dict[str, Any]] = []
    good: list[tuple[dict[str, Any], Sealed, _Beside | None]] = []
    for at, text in enumerate(bodies):
        raw = text.encode("utf-8", "surrogatepass")
        screened = ledger.screen_body(raw)
        answer: dict[str, Any] = {}
        answers.append(answer)
        if isinstance(screened, Violation):
            answer["refusal"] = _refuse(inquiry, raw, screened)
            continue
        event = screened.event
        answer |= {"type": event.type, "id": event.id}
        _check_speaks(inquiry, event.by)
        action = ACTION_OF.get(type(event.body))
        if action is not None and action.extra is not None:
            raise DoorError(
                ErrorCode.BAD_USER_INPUT,
                f"{event.type} has a part for the directory: use {action.mutation}.",
                path=f"events.{at}",
            )
        good.append((answer, screened, _beside(inquiry, event, None)))
    done = await _submit(inquiry, [(screened, beside) for _, screened, beside in good])
    for (answer, _, _), result in zip(good, done, strict=True):
        if isinstance(result, Refused):
            answer["refusal"] = _refusal(inquiry, result)
        else:
            answer["receipt"] = _checkpointed(result)
    return answers


async def _submit(
    inquiry: Inquiry, items: Sequence[tuple[Sealed, _Beside | None]]
) -> Sequence[Admitted | Refused]:
    """The ledger's answers, with all that happens beside it."""
    if all(beside is None for _, beside in items):
        return await inquiry.doors.ledger.submit([sealed for sealed, _ in items])
    # A caller who goes does not stop it half way: a staged row would keep its code from others.
    return await asyncio.shield(_submit_with(inquiry, items))


async def _submit_with(
    inquiry: Inquiry, items: Sequence[tuple[Sealed, _Beside | None]]
) -> Sequence[Admitted | Refused]:
    doors = inquiry.doors
    for sealed, beside in items:
        # Nothing is staged, and the directory not asked, for what the law refuses anyway: whether a
        # code is taken is no answer to who may not enrol. The ledger still has the last word.
        if beside is not None and (
            beside.always
            or not isinstance(decide(doors.ledger.book, sealed, doors.now_ms()), Violation)
        ):
            await asyncio.to_thread(beside.before)
    answers = await doors.ledger.submit([sealed for sealed, _ in items])
    for (_, beside), answer in zip(items, answers, strict=True):
        if beside is not None:
            await asyncio.to_thread(beside.after, answer)
    return answers


class _Beside:
    """What happens beside the log: `before` the event is submitted, `after` it was answered.

    `always`: `before` also when the law as it is now would refuse the event.
    """

    def __init__(
        self,
        before: Callable[[], object] | None = None,
        admitted: Callable[[int], object] | None = None,
        refused: Callable[[], object] | None = None,
        *,
        always: bool = False,
    ) -> None:
        self.always = always
        self._before = before
        self._admitted = admitted
        self._refused = refused

    def before(self) -> None:
        """Stages; raises `DoorError` if what came beside the event does not fit it."""
        if self._before is None:
            return
        try:
            self._before()
        except BadRow as error:
            raise DoorError(ErrorCode.BAD_USER_INPUT, str(error), path=error.field) from None
        except (IdentityMismatch, UsccTaken) as error:
            raise DoorError(ErrorCode.BAD_USER_INPUT, f"{error}".capitalize() + ".") from None

    def after(self, answer: Admitted | Refused) -> None:
        """Confirms or discards."""
        if isinstance(answer, Admitted):
            if self._admitted is not None:
                self._admitted(answer.at)
        elif self._refused is not None:
            self._refused()


def _row(
    put: Callable[[], object], confirm: Callable[[], bool], discard: Callable[[], object]
) -> _Beside:
    """A directory row: staged before, confirmed or discarded after."""

    def confirmed(_at: int) -> None:
        # Another try of the same event may have been refused meanwhile and taken the row along.
        if not confirm():
            put()
            confirm()

    return _Beside(put, confirmed, discard)


def _beside(inquiry: Inquiry, event: Event, extra: dict[str, Any] | None) -> _Beside | None:
    doors = inquiry.doors
    directory, vault, now = doors.directory, doors.vault, doors.now_ms()
    match event.body:
        case OfficerAppointed(officer=id, identity=identity) if extra is not None:
            officer = OfficerRow(**extra)
            return _row(
                lambda: directory.put_officer(id, officer, identity, now),
                lambda: directory.confirm(id, identity),
                lambda: directory.discard(id, identity),
            )
        case EnterpriseEnrolled(enterprise=id, identity=identity) if extra is not None:
            enterprise = EnterpriseRow(**extra)

            def put() -> None:
                try:
                    directory.put_enterprise(id, enterprise, identity, now)
                except UsccTaken:
                    # The answer tells that the code is there: a look like any other.
                    holder = directory.find_by_uscc(enterprise.uscc)
                    if holder is not None:
                        directory.record_access(inquiry.reader, What.DIRECTORY, holder, now)
                    raise

            return _row(
                put,
                lambda: directory.confirm(id, identity),
                lambda: directory.discard(id, identity),
            )
        case (
            ObjectionRaised(statement=identity)
            | ObjectionAnswered(statement=identity)
            | FindingAnswered(statement=identity)
        ) if extra is not None:
            statement = StatementRow(**extra)
            return _row(
                lambda: directory.put_statement(event.id, statement, identity, now),
                lambda: directory.confirm(event.id, identity),
                lambda: directory.discard(event.id, identity),
            )
        case ReportDelivered(order=order, report=report) if report is not None:
            digest, size = report.ciphertext, report.size

            def erased() -> bool:
                return doors.ledger.book.get(Erasure, f"report/{order}") is not None

            def check() -> None:
                if erased():
                    return  # delivered long ago; who tells it again gets the receipt again
                uploaded = vault.size_of(order, digest)
                if uploaded is None:
                    raise DoorError(
                        ErrorCode.REPORT_NOT_UPLOADED,
                        f"Upload the sealed report to /reports/{order} first.",
                    )
                if uploaded != size:
                    raise DoorError(
                        ErrorCode.BAD_USER_INPUT,
                        f"The uploaded report has {uploaded} bytes.",
                        path="delivery.report.size",
                    )

            def bind(at: int) -> None:
                # Told twice, a delivery must not bring back what was erased since.
                if not erased():
                    vault.bind(order, digest, at)

            # An order may be accepted by the event before, in the same request.
            return _Beside(check, bind, always=True)
        case DirectoryErased(subject=subject):
            return _Beside(admitted=lambda at: directory.erase(subject, at))
        case ReportErased(order=order):
            return _Beside(admitted=lambda _at: vault.erase(order))
        case _:
            return None


def _check_speaks(inquiry: Inquiry, by: str) -> None:
    """The caller hands in events of its own member only; it need not have signed them itself."""
    speaker = inquiry.speaker
    if by in (speaker.actor, speaker.party):
        return
    if speaker.member is None or member_of(inquiry.doors.ledger.book, by) != speaker.member:
        raise DoorError(ErrorCode.FORBIDDEN, "The event is by somebody of another member.")


def _proof_of(text: str) -> str | Mapping[str, Any]:
    """The proof as the seal knows it: a JWS, or the object of a passkey assertion."""
    if text.startswith("{") and len(text) <= PROOF_BYTES_MAX + 200:
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            return text
        # Beyond ASCII nothing stands in a passkey's assertion, and a lone surrogate in no bytes.
        if isinstance(value, dict) and all(
            isinstance(v, str) and k.isascii() and v.isascii() for k, v in value.items()
        ):
            return value
    return text


def _body_bytes(event: Event, proof: str | Mapping[str, Any]) -> bytes:
    """What the body would be, for the commitment in a refusal."""
    payload = format_event(event)
    if isinstance(proof, str):
        return assemble(payload, proof)
    return canonical_json({"event": json.loads(payload), "proof": dict(proof)})


def _body_as_said(
    origin: str,
    action: Action,
    fields: dict[str, Any],
    seal: dict[str, Any],
    proof: str | Mapping[str, Any],
) -> bytes:
    """What the body would be if the fields made an event."""
    head = {name: seal[name] for name in ("id", "by", "signedAt", "salt")}
    said = {**head, "log": origin, "type": action.body.__name__, "body": fields}
    return json.dumps(
        {"event": said, "proof": proof}, separators=(",", ":"), sort_keys=True, default=str
    ).encode("utf-8", "replace")


def _refuse(inquiry: Inquiry, raw: bytes, violation: Violation) -> dict[str, Any]:
    commitment = hashlib.sha256(raw).digest()
    return _refusal(inquiry, inquiry.doors.ledger.refuse(commitment, violation))


def _refusal(inquiry: Inquiry, refused: Refused) -> dict[str, Any]:
    violation = refused.violation
    sentence = SENTENCES[violation.code]
    return {
        "code": violation.code,
        "message": sentence.zh if inquiry.language == "zh" else sentence.en,
        "path": violation.path,
        "note": refused.note,
    }


def _checkpointed(answer: Admitted) -> dict[str, Any]:
    return {
        "level": "CHECKPOINTED",
        "index": answer.index,
        "at": answer.at,
        "proof": answer.proof,
    }


async def _receipt(inquiry: Inquiry, answer: Admitted, wait_for: ReceiptLevels) -> dict[str, Any]:
    if wait_for != "OBSERVED":
        return _checkpointed(answer)
    doors = inquiry.doors
    proof = await doors.ledger.observed(answer.index, doors.limits.observed_timeout_s)
    if proof is None:
        raise DoorError(
            ErrorCode.OBSERVER_UNAVAILABLE,
            "The event is on the log; the observer has not cosigned in time. Ask `receipt` later.",
            index=answer.index,
        )
    return {"level": "OBSERVED", "index": answer.index, "at": answer.at, "proof": proof}
