"""6. The whole observer catches up with the audit rules on, beside bare verification on all cores.

`regulator serve` as a process begins with nothing beside a hub process; measured is the time until
it has cosigned the hub's checkpoint as auditor, that is verified, replayed, stored and audited all
of it. The pack is the one that ships, but lets an agency make every section itself: the load cites
no batches, and a finding for each section delivered would measure the writing of findings.

The bare side verifies the same signatures with OpenSSL, keys and messages at hand, in as many
processes as there are cores. The peak of memory is the observer's and that of all its processes;
then one daily report over the same copy is made by the observer's own command.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from benchmarks.bench import Bench
from benchmarks.catch_up import Signed, signatures, verify_bare
from benchmarks.figure import Figure, Measured
from benchmarks.machine import CORES, Busy, children_of, cpu_s, peak_mib
from benchmarks.site import Site
from creditchain.events.codes import Section
from fixtures.demo.stage import program
from regulator.auditing import read_pack
from regulator.cosign import AUDIT
from regulator.database import OBSERVER_NAME
from regulator.observer import REGISTER_NAME

RATIO_WANTED: Final = 0.7
GROWTH_ALLOWED: Final = 1.25
REPORT_S_WANTED: Final = 20.0
SLOWEST: Final = 300
"""Entries a second below which the observer is stuck."""

SIGNATURES_MAX: Final = 50_000
"""Verified bare: the rate is the same for more."""


@dataclass(frozen=True, slots=True)
class Audited:
    """One catch-up: entries a second, the bare rate, peak memory in MiB by process, CPU ms each."""

    rate: float
    bare: float
    peak: float
    cpu_ms: float
    others: float


def measure(bench: Bench) -> Measured:
    """Rates and memory at each size, and the report at the largest."""
    found: dict[int, Audited] = {}
    report_s: list[float] = []
    for size in bench.extent.audited_sizes:
        site = bench.log.at(size).copied(bench.folder / "audited")
        found[size] = one = _catch_up(site, size)
        bench.tell(
            f"audited {size:,}: {one.rate:,.0f}/s, {one.rate / one.bare:.2f} of bare on {CORES} "
            f"cores, {one.peak:,.0f} MiB, CPU {one.cpu_ms:.3f} ms each; others had {one.others:.0%}"
        )
        if size == bench.extent.audited_sizes[-1]:
            report_s = [_daily_report(site) for _ in range(3)]
            bench.tell("daily report: " + ", ".join(f"{one:.1f} s" for one in report_s))
        shutil.rmtree(site.folder)
    *_, large = found
    first = next(iter(found))
    ratio = found[large].rate / found[large].bare
    growth = found[large].peak / found[first].peak
    return Measured(
        (
            Figure(
                6,
                f"observer catch-up to the audit's cosignature, {large:,} entries",
                f"{found[large].rate:,.0f} /s",
                f"Ed25519 on {CORES} cores {found[large].bare:,.0f} /s",
                f"{ratio:.2f}",
                f"ratio >= {RATIO_WANTED}",
                ratio >= RATIO_WANTED,
            ),
            Figure(
                6,
                f"   peak memory of all its processes, {large:,} entries",
                f"{found[large].peak:,.0f} MiB",
                ", ".join(f"{size:,}: {one.peak:,.0f} MiB" for size, one in found.items()),
                f"{growth:.2f} of {first:,}",
                f"flat: ratio <= {GROWTH_ALLOWED}",
                growth <= GROWTH_ALLOWED,
            ),
            Figure(
                6,
                f"daily report L1 at {large:,} entries, the copy exported",
                f"{report_s[-1]:.1f} s",
                f"the first, which exports the copy: {report_s[0]:.1f} s",
                "",
                f"< {REPORT_S_WANTED:.0f} s",
                report_s[-1] < REPORT_S_WANTED,
            ),
        ),
        ("6: the hub that is read from runs on the same cores.",),
    )


def _catch_up(site: Site, size: int) -> Audited:
    _let_sections_be_own(site)
    with site.ledger() as ledger:
        signed = signatures(ledger, SIGNATURES_MAX)
    bare = _bare(signed)
    for path in (site.folder / "observer").glob(f"{OBSERVER_NAME}*"):
        path.unlink()
    (site.folder / "observer" / REGISTER_NAME).unlink(missing_ok=True)
    with site.hub() as hub:
        busy = Busy.now()
        began = time.perf_counter()
        with site.observer() as observer:
            until = began + size / SLOWEST + 60
            while site.observer_status()["cosigned"][AUDIT]["size"] < size:
                assert observer.fault() is None, observer.fault()
                assert time.perf_counter() < until, site.observer_status()
                time.sleep(0.2)
            taken = time.perf_counter() - began
            own = [observer.pid, *children_of(observer.pid), hub.pid]
            used = sum(cpu_s(pid) for pid in own)
            others = busy.others_share(used)
            peak = sum(peak_mib(pid) for pid in own[:-1])
    return Audited(size / taken, bare, peak, used * 1000 / size, others)


def _let_sections_be_own(site: Site) -> None:
    shipped = read_pack(None).decode()
    own = ", ".join(f'"{section.value}"' for section in Section)
    pack, count = re.subn(r"(?m)^own_sections = .*$", f"own_sections = [{own}]", shipped)
    assert count == 1, "the rule for sources has one limit"
    folder = site.folder / "observer"
    (folder / "pack.toml").write_text(pack.replace("cn-enterprise", "cn-bench", 1), "utf-8")
    with (folder / "observer.toml").open("a", encoding="utf-8") as file:
        file.write('\nrule_pack = "pack.toml"\n')


def _bare(signed: Sequence[Signed]) -> float:
    """Signatures a second on all cores: each process verifies its share."""
    plain = [(one.key.public_bytes_raw(), one.signature, one.message) for one in signed]
    shares = [plain[n::CORES] for n in range(CORES)]
    with ProcessPoolExecutor(CORES) as pool:
        # The shares are sent before the clock starts.
        rates = list(pool.map(_verify_share, shares))
    return sum(rates)


def _verify_share(share: Sequence[tuple[bytes, bytes, bytes]]) -> float:
    keys = {raw: Ed25519PublicKey.from_public_bytes(raw) for raw in {one[0] for one in share}}
    return verify_bare([Signed(keys[raw], signature, message) for raw, signature, message in share])


def _daily_report(site: Site) -> float:
    """Seconds that the observer's own command takes for the log's newest day."""
    out = site.folder / "report"
    shutil.rmtree(out, ignore_errors=True)
    command = [*program("regulator"), "report", "L1", "--out", str(out)]
    began = time.perf_counter()
    subprocess.run(
        [*command, "--data", str(site.folder / "observer")],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return time.perf_counter() - began
