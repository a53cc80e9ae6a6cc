"""Auditing our own copy again: the same log size and rule pack give the same bytes."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from regulator.cli.running import HERE, UNFIT, WRONG, AsJson, Folder, copy_in, fail, load

COLUMNS: Final = ("code", "severity", "index", "member", "officer")


def audit(
    start: Annotated[int, typer.Option("--from", min=0, help="The first entry's index.")] = 0,
    end: Annotated[
        int | None, typer.Option("--to", min=0, help="The log size to audit to; absent: all.")
    ] = None,
    pack: Annotated[Path | None, typer.Option(help="A rule pack; absent: the setting's.")] = None,
    data: Folder = HERE,
    as_json: AsJson = False,
) -> None:
    """Run the audit rules over our own copy, from the first entry, and print what they find.

    With --json each finding is one line of canonical JSON, byte for byte the same wherever the same
    entries are audited under the same pack. The observer may be running.
    """
    from regulator.audit import AUDIT_RULES, BadPack, parse_pack
    from regulator.auditing import read_pack

    config = load(data)
    path = copy_in(config.folder)
    try:
        file = read_pack(pack or config.pack_path)
        parsed = parse_pack(file, AUDIT_RULES)
    except BadPack as error:
        fail(UNFIT, f"the rule pack is not taken: {error}")
    count = _audit(path, parsed, file, (start, end), as_json=as_json)
    if count:
        raise typer.Exit(WRONG)


def _audit(
    path: Path, pack: Any, file: bytes, wanted: tuple[int, int | None], *, as_json: bool
) -> int:
    """Audit into a scratch store, so that it does not grow in memory; how many were found."""
    from rich.console import Console
    from rich.progress import Progress

    from regulator.audit_store import AUDIT_NAME, AuditStore
    from regulator.auditor import Auditor

    start, count = wanted[0], 0
    with tempfile.TemporaryDirectory(prefix=".audit-", dir=path.parent) as scratch:
        store = AuditStore(Path(scratch) / AUDIT_NAME)
        auditor = Auditor(path, store, pack, file)
        copied = auditor.copied()
        end = copied if wanted[1] is None else wanted[1]
        if end > copied:
            fail(UNFIT, f"our copy has {copied} entries")
        console = Console(stderr=True)
        with Progress(console=console, disable=not sys.stderr.isatty()) as progress:
            task = progress.add_task("auditing", total=end)
            while auditor.progress.size < end:
                for finding in auditor.advance(end):
                    if finding.index >= start:
                        count += 1
                        _print(finding.to_json(), finding.evidence, as_json=as_json)
                progress.update(task, completed=auditor.progress.size)
        unseen = auditor.progress.unseen
        auditor.close()
        store.close()
    if not as_json:
        typer.echo(f"{count} findings in entries {start} to {end - 1} under {pack.label}")
        if unseen:
            typer.echo(
                f"bodies erased or missing: {unseen}. An audit that began before that knew them, "
                "this one does not: what it finds from the first of them on is uncertain"
            )
    return count


def _print(finding: dict[str, Any], evidence: bytes, *, as_json: bool) -> None:
    if as_json:
        typer.echo(evidence.decode())
        return
    told = [str(finding.get(name, "")) for name in COLUMNS]
    facts = json.dumps(finding["facts"], ensure_ascii=False) if finding["facts"] else ""
    unsure = "" if finding["certain"] else " (uncertain)"
    typer.echo("  ".join([*told, facts]).rstrip() + unsure)
