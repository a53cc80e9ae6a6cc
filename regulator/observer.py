"""Putting an observer together: lock, database, register, keys, feed; and taking it apart again."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

from sqlalchemy import Engine

from creditchain.ed25519 import BadKey
from creditchain.events import MalformedEvent
from creditchain.events.consortium import ConsortiumFounded
from creditchain.rulebook import DictBook, find_key
from creditchain.seal import BadSeal, unseal
from creditchain.tlog.cosignature import CosignatureSigner
from creditchain.tlog.note import Verifier, parse_vkey
from regulator.auditing import Auditing
from regulator.cosign import Cosigner
from regulator.database import OBSERVER_NAME, held_alone, open_database
from regulator.feed import Feed
from regulator.follow import POLL_SECONDS, ROLLBACK_SECONDS, Follower
from regulator.mirror import Mirror
from regulator.opening import Openers
from regulator.register import Register

REGISTER_NAME: Final = "head.register"


class BadGenesis(ValueError):
    """These bytes are no founding of a consortium."""


@dataclass(frozen=True, slots=True)
class Genesis:
    """The founding a participant pins: everything else follows from it.

    `commitment` is the SHA-256 of the founding body, `origin` the log, `log` its key, `refusal` the
    key that signs what the hub refuses.
    """

    commitment: bytes
    origin: str
    log: Verifier
    regulator: str
    refusal: Verifier


@dataclass(frozen=True, slots=True)
class Observer:
    """An observer that is put together: what follows, what reads beside it, and its auditor.

    Without `auditing` nothing is cosigned as auditor.
    """

    genesis: Genesis
    follower: Follower
    reader_engine: Engine
    signers: Mapping[str, CosignatureSigner]
    auditing: Auditing | None = None


def read_genesis(body: bytes) -> Genesis:
    """The genesis in the founding's body bytes; raises `BadGenesis`."""
    try:
        sealed = unseal(body, find_key(DictBook()))
        founding = sealed.event.body
        assert isinstance(founding, ConsortiumFounded), "before it only a founding has a key"
        log = parse_vkey(founding.log_key)
        refusal = parse_vkey(founding.refusal_key)
    except (MalformedEvent, BadSeal, BadKey) as error:
        raise BadGenesis(f"not the founding of a consortium: {error}") from None
    if log.name != sealed.event.log:
        raise BadGenesis("the log's key is not named as the log")
    return Genesis(sha256(body).digest(), sealed.event.log, log, founding.regulator.member, refusal)


@asynccontextmanager
async def open_observer(
    folder: Path,
    genesis: Genesis,
    signers: Mapping[str, CosignatureSigner],
    feed: Feed,
    *,
    processes: int | None = None,
    poll_seconds: float = POLL_SECONDS,
    rollback_seconds: float = ROLLBACK_SECONDS,
    clock: Callable[[], float] = time.time,
) -> AsyncIterator[Observer]:
    """The observer whose database and register are in `folder`, made if there are none.

    Raises `DatabaseUnusable`, also when another process has it open, `BadRegister` and
    `CopyDamaged`.
    """
    path = folder / OBSERVER_NAME
    with (
        # Two observers of one database would sign two histories.
        held_alone(folder / ".lock", f"another observer has {folder} open"),
        open_database(path) as writer_engine,
        open_database(path, readers=True) as reader_engine,
    ):
        mirror = Mirror(
            writer_engine,
            genesis.origin,
            genesis.commitment,
            clock_ms=lambda: int(clock() * 1000),
        )
        try:
            cosigner = Cosigner(
                mirror,
                Register(folder / REGISTER_NAME),
                genesis.log,
                dict(signers),
                clock_s=lambda: int(clock()),
            )
            async with Follower(
                mirror,
                cosigner,
                feed,
                Openers(processes),
                reader_engine,
                poll_seconds=poll_seconds,
                rollback_seconds=rollback_seconds,
                clock=clock,
            ) as follower:
                yield Observer(genesis, follower, reader_engine, signers)
        finally:
            mirror.close()
