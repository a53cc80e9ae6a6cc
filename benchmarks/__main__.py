"""`python -m benchmarks`: measures, prints the table, writes `results.md`.

make bench                                  everything, some 20 minutes on two cores
make bench ARGS='--quick'                   small sizes, some 3 minutes; no results.md
make bench ARGS='--only ledger_alone'       one measurement or several
"""

from __future__ import annotations

import argparse
import importlib
import shutil
import signal
import sys
import time
from pathlib import Path

MEASUREMENTS = (
    "place_order",
    "ledger_alone",
    "catch_up",
    "proof",
    "memory",
    "audited",
    "latency",
    "analytics",
)
REPOSITORY = Path(__file__).parent.parent
RESULTS = Path(__file__).with_name("results.md")


def main() -> int:
    """Runs what was asked for; the exit status."""
    # Late: processes that only sign or verify import this module too.
    from rich.console import Console  # noqa: PLC0415

    from benchmarks import bench, report  # noqa: PLC0415
    from benchmarks.long_log import LongLog  # noqa: PLC0415

    # Told to end, by `timeout` for example, we end like after an error: with what we started.
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    asked = _arguments()
    console = Console(width=None if sys.stdout.isatty() else 160)
    extent = bench.QUICK if asked.quick else bench.FULL
    chosen = asked.only or MEASUREMENTS
    began = time.time()

    def tell(text: str) -> None:
        console.print(f"[dim]{time.time() - began:6.0f} s[/dim]  {text}", highlight=False)

    folder = asked.data.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    log = LongLog(folder / "logs", _sizes(extent, chosen), tell, keep=asked.keep)
    run = bench.Bench(extent, folder, tell, log)
    setting = report.Setting.now(REPOSITORY, folder, sys.argv[1:])
    measured = []
    try:
        for name in chosen:
            module = importlib.import_module(f"benchmarks.{name}")
            measured.append(module.measure(run))
    finally:
        if not asked.keep:
            shutil.rmtree(folder)
    table = report.table(measured)
    console.print(table)
    for line in report.notes(measured, setting):
        console.print(f"[dim]{line}[/dim]", highlight=False, soft_wrap=True)
    if not asked.quick and not asked.only:
        RESULTS.write_text(report.markdown(measured, setting), encoding="utf-8")
        console.print(f"written to {RESULTS.relative_to(REPOSITORY)}")
    return 0


def _sizes(extent: object, chosen: tuple[str, ...]) -> list[int]:
    """The sizes of the logs that the chosen measurements want."""
    from benchmarks.bench import Extent  # noqa: PLC0415

    assert isinstance(extent, Extent)
    wanted = {
        "catch_up": (extent.catch_up_entries,),
        "proof": extent.proof_sizes,
        "memory": extent.memory_sizes,
        "audited": extent.audited_sizes,
    }
    return sorted({size for name in chosen for size in wanted.get(name, ())})


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes; writes no results.md")
    parser.add_argument(
        "--only", action="append", choices=MEASUREMENTS, help="only this measurement; repeatable"
    )
    parser.add_argument(
        "--data",
        type=Path,
        default=REPOSITORY / "build" / "benchmarks",
        help="a folder on the disk to be measured, emptied afterwards",
    )
    parser.add_argument("--keep", action="store_true", help="leave the folder, and use its logs")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
