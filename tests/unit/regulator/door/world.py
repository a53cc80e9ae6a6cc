"""A regulator's door over a real copy of an honest log, with people who may and may not ask."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
from starlette.applications import Starlette

from creditchain.client.signer import Signer
from creditchain.events import Body
from creditchain.events.codes import CaseMatter, LookGround, Role, Severity
from creditchain.events.finding import FindingAsked
from creditchain.events.inspection import (
    CaseApproved,
    CaseClosed,
    CaseOpened,
    IdentitiesResolved,
)
from creditchain.events.officer import OfficerAppointed
from creditchain.querying.assertion import ASSERTION_TYPE
from regulator.api import create_app
from regulator.audit import AUDIT_RULES, AuditFinding
from regulator.door.over_http import Door, open_door
from regulator.door.standing import standing_of
from regulator.finding import Finding, FindingCode
from regulator.observer import Observer
from tests.lying_hub.honest import ORIGIN, Actor, Consortium, HonestFeed
from tests.unit.regulator.observing import observing
from tests.unit.regulator.report.contents.world import with_findings

NAME = "observer.example"
ZONE = "Asia/Shanghai"
RULE = AUDIT_RULES[0].code


@dataclass
class Clock:
    """The time that a test says it is, ms."""

    ms: int

    def __call__(self) -> int:
        return self.ms


@dataclass
class World:
    """The door, the observer behind it, and whoever knocks."""

    folder: Path
    consortium: Consortium
    observer: Observer
    door: Door
    app: Starlette
    http: httpx2.AsyncClient
    auditor: Actor
    second: Actor
    clerk: Actor
    foreign: Actor
    clock: Clock
    finding: str = ""
    case: str = ""
    tokens: dict[str, str] = field(default_factory=dict)

    async def say(self, actor: Actor, body: Body) -> str:
        """An event on the log that the observer has copied; its id."""
        sealed = self.consortium.admit(actor, body)
        await self.follow()
        return sealed.event.id

    async def follow(self) -> None:
        self.consortium.log.publish()
        await self.observer.follower.once()

    def signer(self, actor: Actor) -> Signer:
        return Signer(actor.id, actor.key, ORIGIN, clock=self.clock)

    async def exchange(self, assertion: str) -> httpx2.Response:
        form = {
            "grant_type": "client_credentials",
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": assertion,
        }
        return await self.http.post("/token", data=form)

    async def sign_in(self, actor: Actor) -> str:
        """An access token of this actor, the same as long as the test does not ask for another."""
        if actor.id not in self.tokens:
            answer = await self.exchange(self.signer(actor).assertion(f"{NAME}/token"))
            assert answer.status_code == 200, answer.text
            self.tokens[actor.id] = answer.json()["access_token"]
        return self.tokens[actor.id]

    async def post(
        self, query: str, variables: dict[str, Any] | None = None, **headers: str
    ) -> httpx2.Response:
        """What the auditor gets for a query."""
        bearer = {"authorization": f"Bearer {await self.sign_in(self.auditor)}"}
        content = json.dumps({"query": query, "variables": variables or {}})
        return await self.http.post(
            "/graphql", content=content, headers={"content-type": "application/json"} | bearer
            | headers,
        )  # fmt: skip

    async def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        """The data of a query that must succeed."""
        answer = await self.post(query, variables)
        body = answer.json()
        assert "errors" not in body, body
        data: dict[str, Any] = body["data"]
        return data

    async def code_of(self, query: str, **variables: Any) -> str:
        """The code of the one thing that is wrong with a query."""
        [error] = (await self.post(query, variables)).json()["errors"]
        return str(error["extensions"]["code"])


@asynccontextmanager
async def open_world(folder: Path, events: int = 150) -> AsyncIterator[World]:
    """A copied log of about so many events, with an asked finding and a closed case on it."""
    consortium = Consortium(41)
    officers = {}
    for name, member, roles in (
        ("auditor", consortium.regulator, (Role.AUDIT,)),
        ("second", consortium.regulator, (Role.ADMINISTER, Role.AUDIT)),
        ("clerk", consortium.regulator, (Role.ADMINISTER,)),
        ("foreign", consortium.bank, (Role.ADMINISTER,)),
    ):
        officer = officers[name] = consortium.actor(f"of_{consortium._opaque()}")
        consortium.admit(
            member, OfficerAppointed(officer.id, roles, officer.key.public, consortium.digest())
        )
    consortium.play(events)
    audited = AuditFinding(
        RULE, Severity.HIGH, "test@1", 20, consortium.at, "bank-hana",
        consortium.bank_officer.id, (), {"count": 3},
    )  # fmt: skip
    asked = FindingAsked(
        audited.id, RULE, "bank-hana", Severity.HIGH, consortium.at + 86_400_000, (20,), "test@1"
    )
    consortium.admit(officers["auditor"], asked)
    case = _inspect(consortium, officers["auditor"], officers["second"])
    consortium.log.publish()
    clock = Clock(consortium.at + 60_000)
    async with observing(folder, consortium, HonestFeed(consortium.log)) as observer:
        await observer.follower.once()
        with_findings(folder, consortium.log.size, [audited])
        for finding in (
            Finding(FindingCode.STALE_CHECKPOINT, None, "of a test", {"shown": "a note"}),
            Finding(FindingCode.LAW_BROKEN, 30, "OF_A_TEST", {"body": "AAAA"}),
        ):
            await observer.follower.write(observer.follower.cosigner._mirror.find, finding)
        async with open_door(
            folder, ZONE, lambda: standing_of(observer, NAME), clock_ms=clock
        ) as door:
            app = create_app(observer, asking=door.routes())
            transport = httpx2.ASGITransport(app=app)
            async with httpx2.AsyncClient(
                transport=transport, base_url="http://observer.test"
            ) as http:
                yield World(
                    folder, consortium, observer, door, app, http, **officers, clock=clock,
                    finding=audited.id, case=case,
                )  # fmt: skip


def _inspect(consortium: Consortium, first: Actor, second: Actor) -> str:
    opened = consortium.admit(first, CaseOpened("notice 7", "bank-hana", CaseMatter.ROUTINE))
    case = opened.event.id
    consortium.admit(second, CaseApproved(case))
    subjects: Sequence[str] = (consortium.bank_officer.id,)
    consortium.admit(first, IdentitiesResolved(case, tuple(subjects), LookGround.SAMPLE))
    consortium.admit(first, CaseClosed(case))
    return case
