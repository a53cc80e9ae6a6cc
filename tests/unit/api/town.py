"""A small consortium on a real ledger in a temporary folder, with the doors open.

Six members, their officers, two enterprises, one product; the clock is the test's. Everything is
said over HTTP, as clients say it, except the founding.
"""

from __future__ import annotations

import atexit
import base64
import json
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2

from creditchain.api.action import ACTION_OF, Extra
from creditchain.api.app import create_app
from creditchain.api.doors import Doors
from creditchain.api.limits import Limits
from creditchain.client.fresh import fresh_event_id, fresh_salt
from creditchain.client.keys import HPKE_X25519, PrivateKey, generate_key
from creditchain.client.signer import Signer
from creditchain.directory import Directory
from creditchain.documents import load_operation
from creditchain.events import Event, b64u, canonical_json, format_fields, format_time, unb64u
from creditchain.events.codes import MemberKind, Outcome, Purpose, Role, Section
from creditchain.events.consent import ConsentGranted, ConsentRequested, Terms
from creditchain.events.consortium import Founder
from creditchain.events.enterprise import EnterpriseEnrolled
from creditchain.events.membership import MemberAdmitted, MemberKeyAdded
from creditchain.events.officer import OfficerAppointed
from creditchain.events.order import OrderAccepted, OrderPlaced, ReportDelivered, SealedReport
from creditchain.events.product import Money, ProductOffered
from creditchain.fingerprint import fingerprint
from creditchain.founding import ledger_keys, make_policy, new_hub_keys, open_genesis, write_genesis
from creditchain.ledger import Ledger
from creditchain.private_store import open_private_store
from creditchain.seal import Sealed
from creditchain.tlog.note import format_vkey
from creditchain.tlog.policy import format_policy
from creditchain.vault import Vault, digest_of

ORIGIN = "hub.example/log"
USCCS = {"en-acme": "91440101MA5AKYY10M", "en-bolt": "91440101MA59RK0L6X"}
DAY_MS = 86_400_000
BASE = "http://hub.test"
FORM = "application/x-www-form-urlencoded"
JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.ms = 1_772_413_200_000

    def __call__(self) -> int:
        return self.ms


def opaque(prefix: str, name: str) -> str:
    """A lasting opaque id for a test name."""
    raw = name.encode().ljust(16, b".")[:16]
    return f"{prefix}_{b64u(raw)}"


class Town:
    """The consortium and its doors; `say` posts a mutation signed by an actor."""

    def __init__(self, folder: Path, like: Town | None = None, **doors: Any) -> None:
        self.folder = folder
        if like is not None:
            self._copy(like)
            self.open(**doors)
            return
        self.clock = Clock()
        self.keys: dict[str, PrivateKey] = {}
        self.seal_keys: dict[str, PrivateKey] = {}
        self.tokens: dict[str, str] = {}
        hub = new_hub_keys(ORIGIN, self.key("operator"))
        genesis = write_genesis(
            folder / "genesis.body",
            name="Test chain",
            regulator=Founder("regulator", "Regulator", "440000", self.key("regulator").public),
            regulator_key=self.key("regulator"),
            operator=Founder("operator", "Operator", "440000", self.key("operator").public),
            log_key=format_vkey(hub.log.verifier),
            refusal_key=format_vkey(hub.refusal.verifier),
            signed_at=self.clock(),
        )
        self.policy = make_policy(format_vkey(hub.log.verifier), doors.pop("observer", ()))
        keys = ledger_keys(open_genesis(genesis.body), hub, self.policy)
        Ledger.found(folder / "ledger.db", genesis.body, keys, clock=self.clock)
        self.ledger_keys, self.hub = keys, hub
        self.engine = open_private_store(folder / "private.db")
        self.open(**doors)

    def _copy(self, like: Town) -> None:
        """Takes over a closed town: its files and its keys."""
        for path in like.folder.iterdir():
            shutil.copy(path, self.folder / path.name)
        self.clock = Clock()
        self.clock.ms = like.clock.ms
        self.keys, self.seal_keys, self.tokens = dict(like.keys), dict(like.seal_keys), {}
        self.policy, self.ledger_keys, self.hub = like.policy, like.ledger_keys, like.hub
        self.engine = open_private_store(self.folder / "private.db")

    def open(self, **doors: Any) -> None:
        """Opens the ledger and the doors, also a second time."""
        self.ledger = Ledger.open(self.folder / "ledger.db", self.ledger_keys, clock=self.clock)
        self.directory = Directory(self.engine)
        self.vault = Vault(self.engine, retention_days=30)
        self.make_app(**doors)

    def make_app(self, **doors: Any) -> None:
        """New doors on the open ledger."""
        self.doors = Doors(
            ledger=self.ledger,
            directory=self.directory,
            vault=self.vault,
            token_key=self.hub.token,
            policy=format_policy(self.policy),
            now_ms=self.clock,
            **({"limits": Limits(observed_timeout_s=0.2)} | doors),
        )
        self.app = create_app(self.doors)
        self.http = httpx2.AsyncClient(
            transport=httpx2.ASGITransport(app=self.app), base_url=BASE, timeout=20
        )

    async def close(self) -> None:
        """Closes what `open` opened."""
        await self.http.aclose()
        self.ledger.close()
        self.engine.dispose()

    def key(self, actor: str) -> PrivateKey:
        """The actor's signing key."""
        return self.keys.setdefault(actor, generate_key())

    def signer(self, actor: str) -> Signer:
        """The actor's signer, on the town's clock."""
        return Signer(actor, self.key(actor), ORIGIN, clock=self.clock)

    async def sign_in(self, actor: str) -> str:
        """An access token."""
        if actor not in self.tokens:
            answer = await self.exchange(self.signer(actor).assertion())
            assert answer.status_code == 200, answer.text
            self.tokens[actor] = answer.json()["access_token"]
        return self.tokens[actor]

    async def exchange(self, assertion: str, **changes: str) -> httpx2.Response:
        """POST /token with this assertion."""
        form = {
            "grant_type": "client_credentials",
            "client_assertion_type": JWT_BEARER,
            "client_assertion": assertion,
        }
        return await self.http.post("/token", data=form | changes)

    async def headers(self, actor: str | None) -> dict[str, str]:
        """Headers with the actor's token."""
        if actor is None:
            return {}
        return {"authorization": f"Bearer {await self.sign_in(actor)}"}

    async def post(
        self, actor: str | None, query: str, variables: dict[str, Any] | None = None, **more: str
    ) -> httpx2.Response:
        """A GraphQL request."""
        body = {"query": query, "variables": variables or {}}
        return await self.http.post("/graphql", json=body, headers=await self.headers(actor) | more)

    async def ask(
        self, actor: str | None, operation: str, language: str = "en", **variables: Any
    ) -> dict[str, Any]:
        """The data of a named operation; fails on top-level errors."""
        answer = await self.post(
            actor, load_operation(operation), variables, **{"accept-language": language}
        )
        body = answer.json()
        assert "errors" not in body, body["errors"]
        return body["data"]

    async def errors(self, actor: str | None, operation: str, **variables: Any) -> list[Any]:
        """The top-level errors of a named operation."""
        answer = await self.post(actor, load_operation(operation), variables)
        return answer.json()["errors"]

    async def say(
        self,
        sealed: Sealed,
        extra: dict[str, str] | None = None,
        by: str | None = None,
        **more: Any,
    ) -> dict[str, Any]:
        """The payload of the mutation that says a sealed event."""
        name, variables = mutation_of(sealed.event, proof_of(sealed), extra)
        data = await self.ask(by or sealed.event.by, name, **variables, **more)
        [payload] = data.values()
        return payload

    async def done(self, sealed: Sealed, extra: dict[str, str] | None = None, **more: Any) -> Any:
        """As `say`, for what must be admitted."""
        payload = await self.say(sealed, extra, **more)
        assert payload["refusal"] is None, payload["refusal"]
        return payload

    async def settle(self) -> None:
        """Members, officers, enterprises and a product."""
        for member, kind in (
            ("bank-hana", MemberKind.BANK),
            ("bank-ivy", MemberKind.BANK),
            ("agency-pearl", MemberKind.AGENCY),
            ("agency-tide", MemberKind.AGENCY),
            ("source-tax", MemberKind.SOURCE),
            ("court", MemberKind.JUDICIAL),
        ):
            body = MemberAdmitted(member, kind, member.title(), "440100", self.key(member).public)
            await self.done(self.signer("regulator").seal(body))
        for bank in ("bank-hana", "bank-ivy", "court"):
            self.seal_keys[bank] = generate_key(HPKE_X25519)
            await self.done(
                self.signer(bank).seal(MemberKeyAdded(bank, self.seal_keys[bank].public))
            )
        for member, post, roles in (
            ("bank-hana", "orders", (Role.ORDER,)),
            ("bank-ivy", "orders", (Role.ORDER,)),
            ("bank-hana", "approves", (Role.APPROVE,)),
            ("agency-pearl", "serves", (Role.FULFIL,)),
            ("agency-tide", "serves", (Role.FULFIL,)),
        ):
            await self.appoint(member, post, roles)
        for label, uscc in USCCS.items():
            await self.enrol(label, uscc)
        await self.done(self.signer("agency-pearl").seal(product("agency-pearl/basic")))
        await self.done(self.signer("agency-tide").seal(product("agency-tide/basic")))

    async def appoint(self, member: str, post: str, roles: tuple[Role, ...]) -> str:
        """An officer of a member; the id."""
        officer = officer_id(member, post)
        row = {"name": f"{post} of {member}", "salt": fresh_salt()}
        body = OfficerAppointed(officer, roles, self.key(officer).public, identity(row))
        await self.done(self.signer(member).seal(body), row)
        return officer

    async def enrol(self, label: str, uscc: str) -> str:
        """An enterprise that bank-hana vouches for; the id."""
        enterprise = opaque("en", label)
        row = {"name": f"{label} Ltd", "uscc": uscc, "salt": fresh_salt()}
        body = EnterpriseEnrolled(
            enterprise, identity(row), "440100", self.key(enterprise).public, digest(label)
        )
        await self.done(self.signer("bank-hana").seal(body), row)
        return enterprise

    async def consent(self, bank: str = "bank-hana", label: str = "en-acme", uses: int = 9) -> str:
        """A granted consent to both agencies; its id."""
        terms = Terms(
            bank, Purpose.PRE_LOAN_REVIEW, ("agency-pearl", "agency-tide"),
            (Section.IDENTITY, Section.LOANS), self.clock(), self.clock() + 30 * DAY_MS, uses,
        )  # fmt: skip
        enterprise = opaque("en", label)
        request = self.signer(officer_id(bank)).seal(ConsentRequested(enterprise, terms))
        await self.done(request)
        await self.done(self.signer(enterprise).seal(ConsentGranted(request.event.id, terms)))
        return request.event.id

    def order(
        self, consent: str, bank: str = "bank-hana", label: str = "en-acme",
        agency: str = "agency-pearl",
    ) -> Sealed:  # fmt: skip
        """A sealed OrderPlaced."""
        body = OrderPlaced(
            opaque("en", label), f"{agency}/basic", Purpose.PRE_LOAN_REVIEW,
            (Section.IDENTITY, Section.LOANS), self.seal_keys[bank].kid, consent,
        )  # fmt: skip
        return self.signer(officer_id(bank)).seal(body)

    async def placed(self, consent: str, **more: str) -> str:
        """The id of an order that was placed."""
        sealed = self.order(consent, **more)
        await self.done(sealed)
        return sealed.event.id

    def agent(self, agency: str = "agency-pearl") -> Signer:
        """The signer of the agency's fulfilling officer."""
        return self.signer(officer_id(agency))

    async def accepted(self, consent: str) -> str:
        """The id of an order that agency-pearl has accepted."""
        order = await self.placed(consent)
        await self.done(self.agent().seal(OrderAccepted(order)))
        return order

    def delivery(self, order: str, sealed_bytes: bytes) -> Sealed:
        """A sealed ReportDelivered for these bytes."""
        report = SealedReport(
            digest(order), digest_of(sealed_bytes), len(sealed_bytes), "application/json",
            "creditchain-report/v1", self.seal_keys["bank-hana"].kid,
        )  # fmt: skip
        sections = delivered_sections()
        return self.agent().seal(ReportDelivered(order, Outcome.COMPLETE, report, sections))

    async def upload(self, order: str, sealed_bytes: bytes, actor: str) -> httpx2.Response:
        """POST /reports/{order}."""
        headers = await self.headers(actor) | {"content-type": "application/octet-stream"}
        return await self.http.post(f"/reports/{order}", content=sealed_bytes, headers=headers)

    async def delivered(self, consent: str, sealed_bytes: bytes = b"sealed") -> str:
        """The id of an order that was delivered."""
        order = await self.accepted(consent)
        assert (
            await self.upload(order, sealed_bytes, officer_id("agency-pearl"))
        ).status_code == 201
        await self.done(self.delivery(order, sealed_bytes))
        return order


def delivered_sections() -> Any:
    """The sections of a complete delivery of both ordered sections."""
    from creditchain.events.order import DeliveredSection

    return tuple(
        DeliveredSection(section, digest(section)) for section in (Section.IDENTITY, Section.LOANS)
    )


def officer_id(member: str, post: str | None = None) -> str:
    """The id of a member's officer; the one that does its business if no post is given."""
    post = post or ("serves" if member.startswith("agency") else "orders")
    return opaque("of", f"{member[-6:]}{post}")


def product(id: str) -> ProductOffered:
    """A product of both sections."""
    return ProductOffered(
        id, "Basic", (Section.IDENTITY, Section.LOANS), (Purpose.PRE_LOAN_REVIEW,),
        Money(2000, "CNY"), 2 * DAY_MS, "creditchain-report/v1",
    )  # fmt: skip


def digest(text: str) -> str:
    """A digest that stands for something."""
    return b64u(text.encode().ljust(32, b".")[:32])


def identity(row: dict[str, str]) -> str:
    """The fingerprint of a directory row."""
    content = {name: value for name, value in row.items() if name != "salt"}
    return b64u(fingerprint(unb64u(row["salt"]), canonical_json(content)))


def proof_of(sealed: Sealed) -> str:
    """The proof in a sealed body, as the API takes it."""
    proof = json.loads(sealed.body)["proof"]
    return proof if isinstance(proof, str) else json.dumps(proof)


def mutation_of(
    event: Event, proof: str, extra: dict[str, str] | None = None
) -> tuple[str, dict[str, Any]]:
    """The operation's name and variables that say an event."""
    action = ACTION_OF[type(event.body)]
    seal = {
        "id": event.id, "by": event.by, "signedAt": format_time(event.signed_at),
        "salt": event.salt, "proof": proof,
    }  # fmt: skip
    variables: dict[str, Any] = {action.argument: format_fields(event.body), "seal": seal}
    if extra is not None:
        variables["statement" if action.extra is Extra.STATEMENT else "directory"] = extra
    return action.mutation[0].upper() + action.mutation[1:], variables


@asynccontextmanager
async def open_town(folder: Path, **doors: Any) -> AsyncIterator[Town]:
    """A settled town; a copy of one that was settled for the whole run."""
    town = Town(folder, like=await _settled(), **doors)
    try:
        yield town
    finally:
        await town.close()


_SETTLED: list[tuple[Town, tempfile.TemporaryDirectory[str]]] = []


async def _settled() -> Town:
    if not _SETTLED:
        folder = tempfile.TemporaryDirectory(prefix="town-")
        town = Town(Path(folder.name))
        await town.settle()
        await town.close()
        _SETTLED.append((town, folder))
        atexit.register(folder.cleanup)
    return _SETTLED[0][0]


def unsigned(token: str) -> dict[str, Any]:
    """The claims of a JWT, unverified."""
    payload = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))


def new_id() -> str:
    """A fresh event id."""
    return fresh_event_id()
