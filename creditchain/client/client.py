"""The client of a hub: signs, submits, asks, follows, and believes nothing unproved.

    async with Client("https://hub.example", signer, trust) as client:
        receipt = await client.submit(OrderPlaced(...), wait_for=Level.OBSERVED)
        order = await client.ask("Order", id=receipt.id)
        async for change in client.order_changes(after=receipt.index): ...

Every receipt is checked, every refusal's signature too. What may have reached the hub and got no
answer is sent again *with the same id*, so it is admitted once, whatever the network does.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self

import httpx2

from creditchain.client.evidence import (
    BadEvidence,
    Level,
    Receipt,
    SignedRefusal,
    Trust,
    check_receipt,
    check_refusal,
    commitment_of,
)
from creditchain.client.signer import Signer
from creditchain.client.subscription import SubscriptionLost, subscribe
from creditchain.client.token import SignInRefused, Tokens
from creditchain.documents import load_operation
from creditchain.events import (
    Body,
    format_fields,
    format_time,
    parse_event_object,
    parse_json,
    parse_time,
)
from creditchain.events import consent as consent_events
from creditchain.events import consortium as consortium_events
from creditchain.events import enterprise as enterprise_events
from creditchain.events import erasure as erasure_events
from creditchain.events import finding as finding_events
from creditchain.events import inspection as inspection_events
from creditchain.events import membership as member_events
from creditchain.events import objection as objection_events
from creditchain.events import officer as officer_events
from creditchain.events import order as order_events
from creditchain.events import product as product_events
from creditchain.events import records as records_events
from creditchain.rulebook.refusal import Refusal
from creditchain.seal import BODY_BYTES_MAX, Sealed

MUTATIONS: Final[Mapping[type[Body], tuple[str, str]]] = {
    consortium_events.RulebookAdopted: ("adoptRulebook", "rulebook"),
    member_events.MemberAdmitted: ("admitMember", "member"),
    member_events.MemberSuspended: ("suspendMember", "member"),
    member_events.MemberReinstated: ("reinstateMember", "member"),
    member_events.MemberWithdrawn: ("withdrawMember", "member"),
    member_events.MemberKeyAdded: ("addMemberKey", "key"),
    member_events.MemberKeyRevoked: ("revokeMemberKey", "key"),
    officer_events.OfficerAppointed: ("appointOfficer", "officer"),
    officer_events.OfficerDismissed: ("dismissOfficer", "officer"),
    enterprise_events.EnterpriseEnrolled: ("enrolEnterprise", "enterprise"),
    enterprise_events.AuthoriserKeyAdded: ("addAuthoriserKey", "key"),
    enterprise_events.AuthoriserKeyRevoked: ("revokeAuthoriserKey", "key"),
    product_events.ProductOffered: ("offerProduct", "product"),
    product_events.ProductWithdrawn: ("withdrawProduct", "product"),
    consent_events.ConsentRequested: ("requestConsent", "consent"),
    consent_events.ConsentGranted: ("grantConsent", "consent"),
    consent_events.ConsentRefused: ("refuseConsent", "consent"),
    consent_events.ConsentWithdrawn: ("withdrawConsent", "consent"),
    order_events.OrderPlaced: ("placeOrder", "order"),
    order_events.OrderApproved: ("approveOrder", "order"),
    order_events.OrderAccepted: ("acceptOrder", "order"),
    order_events.OrderDeclined: ("declineOrder", "order"),
    order_events.OrderCancelled: ("cancelOrder", "order"),
    order_events.ReportDelivered: ("deliverReport", "delivery"),
    order_events.DeliveryAcknowledged: ("acknowledgeDelivery", "delivery"),
    order_events.DeliveryDisputed: ("disputeDelivery", "delivery"),
    order_events.CreditDecided: ("decideCredit", "decision"),
    records_events.RecordsCommitted: ("commitRecords", "batch"),
    records_events.RecordsSuperseded: ("supersedeRecords", "batch"),
    objection_events.ObjectionRaised: ("raiseObjection", "objection"),
    objection_events.ObjectionAnswered: ("answerObjection", "objection"),
    erasure_events.BodyErased: ("eraseBody", "erasure"),
    erasure_events.DirectoryErased: ("eraseDirectory", "erasure"),
    erasure_events.ReportErased: ("eraseReport", "erasure"),
    finding_events.FindingAsked: ("askFinding", "finding"),
    finding_events.FindingAnswered: ("answerFinding", "finding"),
    finding_events.FindingClosed: ("closeFinding", "finding"),
    inspection_events.CaseOpened: ("openCase", "case"),
    inspection_events.CaseApproved: ("approveCase", "case"),
    inspection_events.IdentitiesResolved: ("resolveIdentities", "look"),
    inspection_events.CaseClosed: ("closeCase", "case"),
}
"""Which mutation says an event, and what its argument is called."""

SUBMIT_MAX: Final = 64
"""Events the hub takes in one `submit`."""

PAGE: Final = 100
"""Items of a page, the most the hub gives."""

PATIENCE_S: Final = 60.0
"""How long a request is repeated before its caller is told that the hub cannot be reached."""

WAIT_FIRST_S: Final = 0.2
WAIT_MOST_S: Final = 5.0
"""Waiting doubles from the first to the most, give or take a half, so that clients spread out."""

_TIMEOUT: Final = httpx2.Timeout(30.0, connect=5.0)

# Answers that say "not now": nothing was decided, or the same id will get the same answer.
_TRY_AGAIN: Final = frozenset({408, 425, 429, 502, 503, 504})

# Said by what stands before a hub that is away, or by one that starts or stops.
_AWAY: Final = frozenset({502, 503, 504})


class HubUnreachable(Exception):
    """No answer in the time given. What was sent may stand on the log: repeat with the same id."""


class HubFailure(Exception):
    """The hub answered with an error that is no refusal: `code` as in `extensions.code`."""

    def __init__(self, code: str, message: str, facts: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.facts = dict(facts or {})


class NotObserved(HubFailure):
    """The event is on the log, at `index`; the regulator had not cosigned in time. Ask later."""

    @property
    def id(self) -> str:
        """The event's id, to ask with."""
        return str(self.facts["id"])

    @property
    def index(self) -> int:
        """The index of the event's entry."""
        return int(self.facts["index"])


class RefusedByHub(Exception):
    """The law refuses the event; `signed` is the hub's signed word on it, checked.

    `signed` is None only if no refusal key is pinned; `note` is the text to keep and to complain
    with, together with `body`, the sealed bytes that were refused.
    """

    def __init__(
        self,
        code: Refusal,
        message: str,
        path: str,
        note: str,
        signed: SignedRefusal | None,
        body: bytes = b"",
    ) -> None:
        super().__init__(f"{message} ({code}{f' at {path}' if path else ''})")
        self.code = code
        self.message = message
        self.path = path
        self.note = note
        self.signed = signed
        self.body = body


@dataclass(frozen=True, slots=True)
class Change:
    """A record that changed: `index` is the next `after`, `record` as the operation selects it."""

    index: int
    record: Mapping[str, Any]


class Client:
    """One actor at one hub; use it in `async with`.

    `url` is where the hub answers, `trust` what is believed of it; `notice` is told a sentence when
    the hub is out of reach and another when it answers again. Raises, from every request,
    `HubUnreachable`, `HubFailure`, `SignInRefused`; from submitting also `RefusedByHub`,
    `NotObserved`, and `BadEvidence` when what the hub shows proves nothing.
    """

    def __init__(
        self,
        url: str,
        signer: Signer,
        trust: Trust,
        *,
        patience_s: float = PATIENCE_S,
        transport: httpx2.AsyncBaseTransport | None = None,
        notice: Callable[[str], None] = lambda _sentence: None,
    ) -> None:
        if signer.log != trust.origin:
            raise ValueError(f"the signer speaks on {signer.log}, the trust is in {trust.origin}")
        self.url = url.rstrip("/")
        self.signer = signer
        self.trust = trust
        self.notice = notice
        self._away = False
        self._patience_s = patience_s
        self._http = httpx2.AsyncClient(
            timeout=_TIMEOUT,
            transport=transport,
            follow_redirects=False,
            trust_env=False,
            # Without TLS there are no certificates to load, which takes longer than a request.
            verify=self.url.startswith("https:"),
        )
        self._tokens = Tokens(self._http, f"{self.url}/token", signer)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Lets go of the connections."""
        await self._http.aclose()

    async def token(self) -> str:
        """An access token, for what is read beside this client; raises `SignInRefused`."""
        return await self._tokens.token()

    # Saying something.

    async def submit(
        self,
        said: Body | Sealed,
        *,
        wait_for: Level = Level.CHECKPOINTED,
        directory: Mapping[str, str] | None = None,
        statement: Mapping[str, str] | None = None,
    ) -> Receipt:
        """The checked receipt of an event, sealed here or before; the same id is never said twice.

        `directory` is the row that goes with an appointment (`name`, `salt`) or an enrolment (and
        `uscc`), `statement` the words of an objection or of an answer (`text`, `salt`).
        """
        receipt, _ = await self.submit_and_read(
            said if isinstance(said, Sealed) else self.signer.seal(said),
            wait_for=wait_for,
            directory=directory,
            statement=statement,
        )
        return receipt

    async def submit_and_read(
        self,
        sealed: Sealed,
        *,
        wait_for: Level = Level.CHECKPOINTED,
        directory: Mapping[str, str] | None = None,
        statement: Mapping[str, str] | None = None,
    ) -> tuple[Receipt, Mapping[str, Any]]:
        """As `submit`, with the whole answer beside the receipt: what the hub shows, unchecked."""
        mutation, argument = MUTATIONS[type(sealed.event.body)]
        variables: dict[str, Any] = {
            argument: format_fields(sealed.event.body),
            "seal": seal_input(sealed),
            "waitFor": wait_for.value,
        }
        if directory is not None:
            variables["directory"] = dict(directory)
        if statement is not None:
            variables["statement"] = dict(statement)
        try:
            data = await self.ask(mutation[0].upper() + mutation[1:], **variables)
        except HubFailure as error:
            if error.code == "OBSERVER_UNAVAILABLE" and "index" in error.facts:
                facts = {**error.facts, "id": sealed.event.id}
                raise NotObserved(error.code, error.message, facts) from None
            raise
        return self._answer(sealed, data, wait_for), data

    async def submit_many(self, sealed: Sequence[Sealed]) -> list[Receipt | RefusedByHub]:
        """The answer to each sealed event, in their order; a refusal is returned, not raised."""
        answers: list[Receipt | RefusedByHub] = []
        for start in range(0, len(sealed), SUBMIT_MAX):
            some = sealed[start : start + SUBMIT_MAX]
            data = await self.ask("Submit", events=[item.body.decode("utf-8") for item in some])
            for item, answer in zip(some, data, strict=True):
                try:
                    answers.append(self._answer(item, answer, Level.CHECKPOINTED))
                except RefusedByHub as refused:
                    answers.append(refused)
        return answers

    async def receipt(self, sealed: Sealed, level: Level = Level.CHECKPOINTED) -> Receipt | None:
        """The best checked receipt at this moment of what was said before; None if unknown."""
        found = await self.ask("Receipt", id=sealed.event.id)
        if found is None:
            return None
        return self._receipt(sealed.commitment, found, level)

    async def find_receipt(
        self, id: str, body: bytes | None = None
    ) -> tuple[bytes, Receipt] | None:
        """The body of an event and its best checked receipt; None if it cannot be read or is not.

        `body` is the event's body where it was kept: then the hub need not show it.
        """
        found = await self.ask("Event", id=id)
        if found is None or found["receipt"] is None:
            return None
        if body is None:
            if found["body"] is None:
                return None
            body = str(found["body"]).encode("utf-8")
        receipt = self._receipt(commitment_of(body), found["receipt"], Level.CHECKPOINTED)
        if parse_event_object(parse_json(body, BODY_BYTES_MAX)["event"]).id != id:
            raise BadEvidence("the hub shows another event than the one asked for")
        return body, receipt

    # Asking.

    async def ask(self, operation: str, **variables: Any) -> Any:
        """The one field of an operation of ours (`creditchain.documents`), repeated if need be."""
        answer = await self.query(load_operation(operation), variables)
        errors = answer.get("errors")
        if errors:
            raise _failure(errors[0])
        data = answer.get("data")
        if not isinstance(data, dict) or len(data) != 1:
            raise HubFailure("INTERNAL", "the hub's answer is not the one field asked for")
        return next(iter(data.values()))

    async def query(self, document: str, variables: Mapping[str, Any]) -> dict[str, Any]:
        """The hub's whole answer to a GraphQL document, `errors` and all."""
        payload = {"query": document, "variables": dict(variables)}
        return _object_in(await self._send("POST", "/graphql", json=payload, code_of=_graphql_code))

    async def every(self, operation: str, **variables: Any) -> AsyncGenerator[Mapping[str, Any]]:
        """Every item of a connection, page by page, oldest first."""
        after: str | None = None
        while True:
            page = await self.ask(operation, first=PAGE, after=after, **variables)
            for node in page["nodes"]:
                yield node
            if not page["pageInfo"]["hasNextPage"]:
                return
            after = page["pageInfo"]["endCursor"]

    # Sealed reports.

    async def upload_report(self, order: str, sealed: bytes) -> None:
        """Puts the sealed report of an order into the vault, before its delivery is said."""
        await self._send(
            "POST",
            f"/reports/{order}",
            content=sealed,
            headers={"content-type": "application/octet-stream"},
        )

    async def download_report(self, order: str) -> bytes:
        """The sealed report of an order, as the vault holds it."""
        return (await self._send("GET", f"/reports/{order}")).content

    # Following.

    async def order_changes(self, after: int | None = None) -> AsyncGenerator[Change]:
        """Orders as they change, in the log's order, without a gap over lost connections."""
        async with aclosing(self._changes("OrderChanges", "order", after)) as changes:
            async for change in changes:
                yield change

    async def consent_changes(self, after: int | None = None) -> AsyncGenerator[Change]:
        """Consents as they change, in the log's order, without a gap over lost connections."""
        async with aclosing(self._changes("ConsentChanges", "consent", after)) as changes:
            async for change in changes:
                yield change

    async def heads(self) -> AsyncGenerator[Mapping[str, Any]]:
        """The head of the log whenever it has grown; unchecked, see `creditchain.client.verify`."""
        async with aclosing(self._follow("Head", {})) as results:
            async for head in results:
                yield head

    async def _changes(
        self, operation: str, field: str, after: int | None
    ) -> AsyncGenerator[Change]:
        if after is None:
            # "From now on" is fixed here; a connection lost before a change would else move it.
            after = int((await self.ask("Log"))["size"]) - 1
        # Read again at each connection, so that the next one goes on where the last one ended.
        position = {"after": after}
        async with aclosing(self._follow(operation, position)) as results:
            async for data in results:
                position["after"] = int(data["index"])
                yield Change(position["after"], data[field])

    async def _follow(
        self, operation: str, variables: Mapping[str, Any]
    ) -> AsyncGenerator[Mapping[str, Any]]:
        """What a subscription yields, over as many connections as it takes; for ever."""
        wait = WAIT_FIRST_S
        document = load_operation(operation)
        while True:
            token, began = "", False

            def begun() -> None:
                nonlocal began
                began = True
                self._reached(True)

            try:
                token = await self._tokens.token()
                changes = subscribe(self.url, token, document, variables, begun)
                async with aclosing(changes) as results:
                    async for data in results:
                        wait = WAIT_FIRST_S
                        yield data
            except SubscriptionLost as lost:
                if lost.unauthenticated:
                    self._tokens.forget(token)
                elif lost.failure is not None:
                    raise _failure(lost.failure) from None
                elif not began:
                    # One that had begun and ended says nothing yet: the next attempt will show.
                    self._reached(False)
            except httpx2.HTTPError:
                self._reached(False)
            await asyncio.sleep(_spread(wait))
            wait = min(2 * wait, WAIT_MOST_S)

    def _reached(self, answers: bool) -> None:
        """Tells, once for each outage, that it began and that it is over."""
        if answers is not self._away:
            return
        self._away = not answers
        self.notice(
            f"{self.url} answers again" if answers else f"cannot reach {self.url}, trying again"
        )

    # What an answer proves.

    def _answer(self, sealed: Sealed, answer: Mapping[str, Any], wait_for: Level) -> Receipt:
        refusal = answer.get("refusal")
        if refusal is not None:
            raise self._refused(sealed, refusal)
        found = answer.get("receipt")
        if found is None:
            raise BadEvidence("the hub answered with neither a receipt nor a refusal")
        return self._receipt(sealed.commitment, found, wait_for)

    def _receipt(self, commitment: bytes, found: Mapping[str, Any], level: Level) -> Receipt:
        try:
            at, proof, index = parse_time(found["at"]), str(found["proof"]), int(found["index"])
        except (KeyError, ValueError) as error:
            raise BadEvidence(f"the hub's receipt is incomplete: {error}") from None
        # An index alone proves nothing, so less than a checkpoint is never taken.
        least = Level.OBSERVED if level is Level.OBSERVED else Level.CHECKPOINTED
        receipt = check_receipt(commitment, at, proof, self.trust, least)
        if receipt.index != index:
            raise BadEvidence("the hub's receipt states another index than it proves")
        return receipt

    def _refused(self, sealed: Sealed, refusal: Mapping[str, Any]) -> RefusedByHub:
        try:
            code = Refusal(refusal["code"])
            message, path, note = (str(refusal[name]) for name in ("message", "path", "note"))
        except (KeyError, ValueError) as error:
            raise BadEvidence(f"the hub's refusal is incomplete: {error}") from None
        signed = None
        if self.trust.refusal is not None:
            signed = check_refusal(note, self.trust, sealed.commitment)
            if (signed.code, signed.path) != (code, path):
                raise BadEvidence("the hub refuses with another reason than it signed")
        return RefusedByHub(code, message, path, note, signed, sealed.body)

    # The wire.

    async def _send(
        self,
        method: str,
        path: str,
        *,
        code_of: Callable[[httpx2.Response], str | None] = lambda _response: None,
        **request: Any,
    ) -> httpx2.Response:
        """The hub's answer to one request, repeated while it says "not now" or nothing at all."""
        headers = {"accept": "application/json", **request.pop("headers", {})}
        until = asyncio.get_running_loop().time() + self._patience_s
        wait, renewed, reason = WAIT_FIRST_S, False, "no answer"
        while True:
            pause = _spread(wait)
            try:
                token = await self._tokens.token()
                response = await self._http.request(
                    method,
                    self.url + path,
                    headers={**headers, "authorization": f"Bearer {token}"},
                    **request,
                )
            except httpx2.TransportError as error:
                reason = f"{type(error).__name__}: {error}"
                self._reached(False)
            except httpx2.HTTPStatusError as error:
                reason = f"sign-in answered {error.response.status_code}"
                self._reached(error.response.status_code not in _AWAY)
            else:
                code = code_of(response)
                self._reached(response.status_code not in _AWAY)
                if response.status_code == 401 or code == "UNAUTHENTICATED":
                    if renewed:
                        raise _failure_of(response, "UNAUTHENTICATED")
                    # Ended early, or the hub was restarted with another token key.
                    self._tokens.forget(token)
                    renewed = True
                    continue
                if response.status_code not in _TRY_AGAIN and code != "RATE_LIMITED":
                    if response.status_code >= 400 and code is None:
                        raise _failure_of(response, f"HTTP_{response.status_code}")
                    return response
                reason = f"the hub answered {response.status_code}"
                pause = max(pause, _retry_after_s(response))
            if asyncio.get_running_loop().time() + pause > until:
                raise HubUnreachable(f"{self.url}: {reason}")
            await asyncio.sleep(pause)
            wait = min(2 * wait, WAIT_MOST_S)


def seal_input(sealed: Sealed) -> dict[str, str]:
    """The `SealInput` of a sealed event: all of the envelope that the typed input does not hold."""
    event = sealed.event
    proof = json.loads(sealed.body)["proof"]
    return {
        "by": event.by,
        "id": event.id,
        "proof": proof if isinstance(proof, str) else json.dumps(proof),
        "salt": event.salt,
        "signedAt": format_time(event.signed_at),
    }


def _spread(wait: float) -> float:
    return wait * random.uniform(0.5, 1.5)  # noqa: S311 - spreads load, guards nothing


def _retry_after_s(response: httpx2.Response) -> float:
    text = response.headers.get("retry-after", "")
    return min(float(text), WAIT_MOST_S) if text.isascii() and text.isdigit() else 0.0


def _object_in(response: httpx2.Response) -> dict[str, Any]:
    try:
        answer = response.json()
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise HubFailure("INTERNAL", f"the hub answered {response.status_code} without JSON")
    return answer


def _graphql_code(response: httpx2.Response) -> str | None:
    """The code of the first top-level error of a GraphQL answer."""
    try:
        return str(response.json()["errors"][0]["extensions"]["code"])
    except (ValueError, KeyError, IndexError, TypeError):
        return None


def _failure(error: Mapping[str, Any]) -> HubFailure:
    facts = error.get("extensions")
    facts = dict(facts) if isinstance(facts, dict) else {}
    code = str(facts.pop("code", "INTERNAL"))
    return HubFailure(code, str(error.get("message", code)), facts)


def _failure_of(response: httpx2.Response, code: str) -> HubFailure:
    try:
        error = response.json()["errors"][0]
    except (ValueError, KeyError, IndexError, TypeError):
        return HubFailure(code, f"the hub answered {response.status_code}")
    return _failure(error)


__all__ = [
    "MUTATIONS",
    "Change",
    "Client",
    "HubFailure",
    "HubUnreachable",
    "NotObserved",
    "RefusedByHub",
    "SignInRefused",
    "seal_input",
]
