"""Findings and inspection cases at a hub: what the regulator and the members say of them.

Every function takes the `Client` of whoever speaks and raises what its `submit` raises. The names
that a look shows are believed only where their fingerprint is the one that the hub says is on the
log; whoever holds a copy of the log compares that too.

    opened = await open_case(client, CaseOpened("YF-2026-17", "bank-hana", CaseMatter.ROUTINE))
    await approve_case(the_client_of_another_officer, opened.id)
    look = IdentitiesResolved(opened.id, (enterprise,), LookGround.SAMPLE)
    shown = await resolve_identities(client, look)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from creditchain.client.client import Client
from creditchain.client.evidence import BadEvidence, Level, Receipt
from creditchain.client.fresh import fresh_row
from creditchain.events import Body, b64u, canonical_json, unb64u
from creditchain.events.codes import FindingOutcome, FindingReply
from creditchain.events.finding import FindingAnswered, FindingAsked, FindingClosed
from creditchain.events.inspection import (
    CaseApproved,
    CaseClosed,
    CaseOpened,
    IdentitiesResolved,
)
from creditchain.fingerprint import fingerprint
from creditchain.seal import Sealed


@dataclass(frozen=True, slots=True)
class Said:
    """An event that is on the log; a finding or a case that it began has its id."""

    id: str
    receipt: Receipt


@dataclass(frozen=True, slots=True)
class Identity:
    """Who stands behind an opaque id; no `name` where it was erased.

    `identity` is the fingerprint of the row `{name, uscc?}` under `salt`, as on the log.
    """

    subject: str
    identity: str
    name: str | None
    uscc: str | None
    salt: str | None


@dataclass(frozen=True, slots=True)
class ObjectionWords:
    """The words of an objection and of its answer, where there are any."""

    objection: str
    statement: str | None
    answer: str | None


@dataclass(frozen=True, slots=True)
class Shown:
    """A look that is on the log, and what it showed: nothing if its case was closed since."""

    id: str
    receipt: Receipt
    identities: tuple[Identity, ...]
    words: tuple[ObjectionWords, ...]


async def ask_finding(
    client: Client, asked: FindingAsked, *, wait_for: Level = Level.CHECKPOINTED
) -> Said:
    """The regulator asks a member about a finding."""
    return await _say(client, asked, wait_for)


async def answer_finding(
    client: Client,
    finding: str,
    reply: FindingReply,
    words: str,
    *,
    wait_for: Level = Level.CHECKPOINTED,
) -> Said:
    """The member answers a finding, named by the event that asked; `words` go to the directory."""
    statement, digest = fresh_row(text=words)
    body = FindingAnswered(finding, reply, digest)
    return await _say(client, body, wait_for, statement=statement)


async def close_finding(
    client: Client, finding: str, outcome: FindingOutcome, *, wait_for: Level = Level.CHECKPOINTED
) -> Said:
    """The regulator closes a finding, named by the event that asked."""
    return await _say(client, FindingClosed(finding, outcome), wait_for)


async def open_case(
    client: Client, opened: CaseOpened, *, wait_for: Level = Level.CHECKPOINTED
) -> Said:
    """An officer of the regulator opens a case."""
    return await _say(client, opened, wait_for)


async def approve_case(client: Client, case: str, *, wait_for: Level = Level.CHECKPOINTED) -> Said:
    """Another officer of the regulator approves it."""
    return await _say(client, CaseApproved(case), wait_for)


async def close_case(client: Client, case: str, *, wait_for: Level = Level.CHECKPOINTED) -> Said:
    """Either of the two closes it, and the member sees every look in it."""
    return await _say(client, CaseClosed(case), wait_for)


async def resolve_identities(
    client: Client, look: IdentitiesResolved | Sealed, *, wait_for: Level = Level.CHECKPOINTED
) -> Shown:
    """One of the two looks. Raises `BadEvidence` for a name that is not the fingerprinted one.

    Whoever got no answer and repeats the look sealed before is shown the names of that one look.
    """
    sealed = look if isinstance(look, Sealed) else client.signer.seal(look)
    assert isinstance(sealed.event.body, IdentitiesResolved), "only looks are answered with names"
    subjects = sealed.event.body.subjects
    receipt, answer = await client.submit_and_read(sealed, wait_for=wait_for)
    try:
        identities = tuple(_identity(row) for row in answer["identities"] or ())
        words = tuple(
            ObjectionWords(row["id"], row["statement"], row["answer"])
            for row in answer["words"] or ()
        )
    except (KeyError, TypeError, ValueError) as error:
        raise BadEvidence(f"what the hub shows of the look is incomplete: {error}") from None
    if identities and tuple(who.subject for who in identities) != subjects:
        raise BadEvidence("the hub shows others than those who were looked at")
    return Shown(sealed.event.id, receipt, identities, words)


def _identity(row: Mapping[str, Any]) -> Identity:
    who = Identity(row["subject"], row["identity"], row["name"], row["uscc"], row["salt"])
    if who.name is None or who.salt is None:
        return who
    content = {"name": who.name} if who.uscc is None else {"name": who.name, "uscc": who.uscc}
    digest = b64u(fingerprint(unb64u(who.salt), canonical_json(content)))
    if digest != who.identity:
        raise BadEvidence(f"the name shown for {who.subject} is not the one that was enrolled")
    return who


async def _say(client: Client, body: Body, wait_for: Level, **beside: Mapping[str, str]) -> Said:
    sealed = client.signer.seal(body)
    return Said(sealed.event.id, await client.submit(sealed, wait_for=wait_for, **beside))
