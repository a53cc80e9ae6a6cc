"""3. The observer catches up from nothing, beside bare verification of the same signatures.

The observer reads over HTTP from a real hub process, verifies every entry, body and signature,
replays the law and stores its copy: `Follower.once` from an empty database. The bare side calls
OpenSSL's Ed25519 verification for each signature, with keys and messages at hand, on one core.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import time
from collections.abc import Sequence
from statistics import median
from typing import Final, NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from benchmarks.bench import Bench
from benchmarks.figure import Figure, Measured, spread
from benchmarks.machine import Busy, cpu_s, uncollected
from benchmarks.site import Site
from creditchain.events import canonical_json, unb64u
from creditchain.ledger import Ledger
from creditchain.rulebook.record import Key
from creditchain.seal import signing_input
from creditchain.tlog.tile import TILE_WIDTH
from regulator.config import load_config
from regulator.database import OBSERVER_NAME
from regulator.observer import REGISTER_NAME
from regulator.serve import assemble

RATIO_WANTED: Final = 0.6


class Signed(NamedTuple):
    """One signature as OpenSSL wants it."""

    key: Ed25519PublicKey
    signature: bytes
    message: bytes


def measure(bench: Bench) -> Measured:
    """Entries and signatures a second, and their ratio."""
    size = bench.extent.catch_up_entries
    site = bench.log.at(size).copied(bench.folder / "catch-up")
    with site.ledger() as ledger:
        signed = signatures(ledger)
    bares, ours, bare_cpus, our_cpus = [], [], [], []
    with site.hub() as hub:
        for number in range(1, bench.extent.runs + 1):
            busy = Busy.now()
            bares.append(verify_bare(signed))
            bare_cpus.append(busy.own_s_since() * 1000 / len(signed))
            busy, hub_s = Busy.now(), cpu_s(hub.pid)
            with uncollected():
                ours.append(asyncio.run(catch_up(site, size)))
            hub_s = cpu_s(hub.pid) - hub_s
            our_cpus.append((busy.own_s_since() + hub_s) * 1000 / size)
            bench.tell(
                f"catch-up, round {number}: {ours[-1]:,.0f}/s, {ours[-1] / bares[-1]:.2f} of bare; "
                f"CPU {our_cpus[-1]:.3f} ms each with the hub's {hub_s * 1000 / size:.3f}, "
                f"bare {bare_cpus[-1]:.3f}; others had {busy.others_share(hub_s):.0%}"
            )
    ratios = [our / bare for our, bare in zip(ours, bares, strict=True)]
    return Measured(
        (
            Figure(
                3,
                f"observer catch-up, {size:,} entries",
                f"{spread(ours)} /s",
                f"Ed25519 on one core {spread(bares)} /s",
                spread(ratios, 2),
                f"ratio >= {RATIO_WANTED}",
                median(ratios) >= RATIO_WANTED,
            ),
            Figure(
                3,
                "   CPU for each entry, the hub's included",
                f"{spread(our_cpus, 3)} ms",
                f"Ed25519 {spread(bare_cpus, 3)} ms",
                spread([bare / our for our, bare in zip(our_cpus, bare_cpus, strict=True)], 2),
            ),
        ),
        ("3: the observer uses every core and shares them with the hub that it reads from.",),
    )


async def catch_up(site: Site, size: int) -> float:
    """Entries a second of an observer that begins with nothing."""
    folder = site.folder / "observer-fresh"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(
        site.folder / "observer",
        folder,
        ignore=shutil.ignore_patterns(f"{OBSERVER_NAME}*", REGISTER_NAME, ".lock"),
    )
    async with assemble(load_config(folder / "observer.toml")) as observer:
        began = time.perf_counter()
        head = await observer.follower.once()
        taken = time.perf_counter() - began
        progress = observer.follower.progress()
        assert head.size >= size, f"the hub shows {head.size} of {size}"
        assert progress.size == head.size, "everything is replayed"
    return head.size / taken


def signatures(ledger: Ledger, most: int | None = None) -> list[Signed]:
    """Every signature of the log, or of its first `most` entries, made ready."""
    found = []
    keys: dict[str, Ed25519PublicKey] = {}
    size = ledger.head().size if most is None else min(most, ledger.head().size)
    for n in range(-(-size // TILE_WIDTH)):
        for body in ledger.bodies(n, min(TILE_WIDTH, size - n * TILE_WIDTH)):
            assert body is not None, "nothing is erased here"
            found.append(_signed(ledger, body, keys))
    return found


def verify_bare(signed: Sequence[Signed]) -> float:
    """Signatures a second on one core."""
    began = time.perf_counter()
    for key, signature, message in signed:
        key.verify(signature, message)
    return len(signed) / (time.perf_counter() - began)


def _signed(ledger: Ledger, body: bytes, keys: dict[str, Ed25519PublicKey]) -> Signed:
    value = json.loads(body)
    header, _, signature = value["proof"].partition("..")
    kid = json.loads(unb64u(header))["kid"]
    if kid not in keys:
        record = ledger.book.get(Key, f"{value['event']['by']}/{kid}")
        assert record is not None, "every signer's key is recorded"
        keys[kid] = Ed25519PublicKey.from_public_bytes(record.key.raw)
    message = signing_input(header, canonical_json(value["event"]))
    return Signed(keys[kid], unb64u(signature), message)
