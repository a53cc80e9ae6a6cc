"""What the observer says of itself beside its copy: how it follows, and how far the audit is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from creditchain.tlog.cosignature import format_cosigner_vkey
from regulator.auditing import AuditState
from regulator.observer import Observer


@dataclass(frozen=True, slots=True)
class Standing:
    """As it was when the question came. Times are ms.

    `trusted` is the size of the largest head found consistent; `vkeys` are our cosigners' keys by
    name; `restored_to` the size to which a copy restored from a backup must grow again.
    """

    name: str
    origin: str
    regulator: str
    vkeys: Mapping[str, str]
    trusted: int
    unseen: int
    restored_to: int | None
    fault: str | None
    fault_at: int | None
    seen_at: int | None
    audit: AuditState | None


def standing_of(observer: Observer, name: str) -> Standing:
    """How an observer stands now; to be asked in its own loop."""
    progress = observer.follower.progress()
    restored, faulty = progress.restored_to, progress.fault is not None
    return Standing(
        name,
        observer.genesis.origin,
        observer.genesis.regulator,
        {name: format_cosigner_vkey(one.verifier) for name, one in observer.signers.items()},
        progress.trusted.size,
        progress.unseen,
        None if restored is None else restored.size,
        progress.fault,
        _ms(progress.fault_at_s) if faulty else None,
        _ms(progress.seen_at_s),
        None if observer.auditing is None else observer.auditing.state,
    )


def _ms(seconds: float | None) -> int | None:
    return None if seconds is None else int(seconds * 1000)
