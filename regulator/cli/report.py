"""Making reports by hand, listing those that were made, checking one that somebody handed over."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from regulator.cli.running import (
    HERE,
    UNFIT,
    WRONG,
    AsJson,
    Folder,
    fail,
    load,
    print_json,
    run_work,
)

if TYPE_CHECKING:
    from regulator.report.model import Period, ReportCode


def report(
    what: Annotated[str, typer.Argument(help="L1 to L10, or list, verify, key.")],
    target: Annotated[
        Path | None, typer.Argument(help="For `verify`: the report's folder.")
    ] = None,
    day: Annotated[str, typer.Option(help="Of one day, e.g. 2026-11-25.")] = "",
    month: Annotated[str, typer.Option(help="Of one month, e.g. 2026-11.")] = "",
    first: Annotated[str, typer.Option("--from", help="From this day on …")] = "",
    last: Annotated[str, typer.Option("--to", help="… to this one, both within it.")] = "",
    lang: Annotated[str, typer.Option(help="en, zh or both.")] = "both",
    formats: Annotated[
        str, typer.Option("--format", help="Some of pdf,csv,json,parquet; all by default.")
    ] = "",
    out: Annotated[Path | None, typer.Option(help="The folder to write; it must be new.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Of samples; drawn from the log.")] = None,
    given: Annotated[
        list[str] | None, typer.Option("--set", help="A parameter, e.g. case=… or member=….")
    ] = None,
    key: Annotated[
        Path | None, typer.Option(help="For `verify`: the observer's report key (a public JWK).")
    ] = None,
    data: Folder = HERE,
    as_json: AsJson = False,
) -> None:
    """Make one of the reports L1 to L10 from our copy, list those made, or verify one offline.

    `key` prints the public key that verifies them, for whoever they are handed to.

    Without a period it is of the log's newest day (L2, L3, L4, L6, L7, L8, L10: month).
    """
    if what == "list":
        _list(data, as_json=as_json)
    elif what == "key":
        _show_key(data)
    elif what == "verify":
        if target is None:
            fail(UNFIT, "which folder? `regulator report verify FOLDER`")
        _verify(target, key, data, as_json=as_json)
    else:
        _make(what, (day, month, first, last), lang, formats, out, seed, given or [], data, as_json)


def _make(
    what: str,
    dates: tuple[str, str, str, str],
    lang: str,
    formats: str,
    out: Path | None,
    seed: int | None,
    given: list[str],
    data: Path,
    as_json: bool,
) -> None:
    from regulator.config import BadConfig, load_report_key
    from regulator.report.asking import scope_of
    from regulator.report.making import Job, NotMade, make
    from regulator.report.model import LANGUAGES, BadReport, ReportCode
    from regulator.setting import FORMATS, parse_list

    config = load(data)
    try:
        load_report_key(config)
    except BadConfig as error:
        fail(UNFIT, str(error))
    try:
        code = ReportCode(what.upper())
    except ValueError:
        fail(UNFIT, f"{what} is none of " + ", ".join(ReportCode))
    languages = LANGUAGES if lang == "both" else (lang,)
    wanted = parse_list(formats) or parse_list(config.report_formats)
    if not set(languages) <= set(LANGUAGES) or not set(wanted) <= set(FORMATS):
        fail(UNFIT, "--lang is en, zh or both; --format some of " + ",".join(FORMATS))
    pairs = [one.partition("=") for one in given]
    if not all(name and equals for name, equals, _ in pairs):
        fail(UNFIT, "--set is name=value")
    parameters = tuple((name, value) for name, _, value in pairs)

    async def run() -> Any:
        period = _period(config, code, dates)
        scope = scope_of(
            config.folder, code, period, seed=seed, parameters=parameters, unaudited=True
        )
        folder = out or Path(f"{code.value}-{period.name}")
        job = Job(
            config.folder,
            code,
            scope,
            folder.absolute(),
            config.report_key_path,
            config.folder / config.report_fonts,
            languages,
            wanted,
        )
        return make(job)

    try:
        filed = run_work(run)
    except (BadReport, NotMade) as error:
        fail(UNFIT, str(error))
    if as_json:
        print_json({"folder": str(filed.folder), "digest": filed.digest, "files": filed.files})
    else:
        typer.echo(f"{filed.files} files in {filed.folder}, digest {filed.digest}")


def _period(config: Any, code: ReportCode, dates: tuple[str, str, str, str]) -> Period:
    from regulator.report.asking import read_standing
    from regulator.report.model import BadReport
    from regulator.report.period import between, month
    from regulator.report.period import day as one_day
    from regulator.report.show import find_zone

    zone = config.report_zone
    day, named_month, first, last = dates
    if sum(map(bool, (day, named_month, first or last))) > 1 or bool(first) != bool(last):
        raise BadReport("one of --day, --month, or --from with --to")
    try:
        if day:
            return one_day(date.fromisoformat(day), zone)
        if named_month:
            return month(date.fromisoformat(f"{named_month}-01"), zone)
        if first:
            return between(date.fromisoformat(first), date.fromisoformat(last), zone)
    except BadReport:
        raise
    except ValueError as error:
        raise BadReport(f"a day is like 2026-11-25, a month like 2026-11: {error}") from None
    standing = read_standing(config.folder)
    newest = datetime.fromtimestamp(standing.last_at_ms / 1000, UTC).astimezone(find_zone(zone))
    return (one_day if code.value in {"L1", "L5", "L9"} else month)(newest.date(), zone)


def _list(data: Path, *, as_json: bool) -> None:
    from regulator.office import read_runs
    from regulator.report.contents import REPORTS
    from regulator.report.model import TITLES

    config = load(data)

    async def run() -> list[Any]:
        return read_runs(config.folder)

    runs = run_work(run)
    if as_json:
        print_json(
            {
                "reports": {code.value: TITLES[code].en for code in REPORTS},
                "runs": [
                    {
                        "code": one.code,
                        "period": one.period,
                        "state": one.state,
                        "size": one.scope["size"],
                        "digest": one.digest,
                        "problem": one.problem,
                    }
                    for one in runs
                ],
            }
        )
        return
    for code in REPORTS:
        typer.echo(f"{code.value:<4} {TITLES[code].en} / {TITLES[code].zh}")
    for one in runs:
        said = one.digest or one.problem
        typer.echo(f"{one.state:<6} {one.code:<4} {one.period:<11} {one.scope['size']:>9} {said}")


def _show_key(data: Path) -> None:
    from regulator.config import BadConfig, load_report_key

    try:
        print_json(load_report_key(load(data)).public.to_json())
    except BadConfig as error:
        fail(UNFIT, str(error))


def _verify(target: Path, key: Path | None, data: Path, *, as_json: bool) -> None:
    from creditchain.events import MalformedEvent, PublicKey, parse_json
    from regulator.config import BadConfig, load_report_key, read_file
    from regulator.report.folder import NotGenuine, check_folder

    try:
        if key is not None:
            value = parse_json(read_file(key), 4_096)
            public = PublicKey.from_json({n: v for n, v in value.items() if n not in {"d", "kid"}})
        else:
            public = load_report_key(load(data)).public
    except (BadConfig, MalformedEvent, AttributeError) as error:
        fail(UNFIT, f"{key or data}: {error}")
    try:
        manifest = check_folder(target, public)
    except NotGenuine as error:
        fail(WRONG, str(error))
    if as_json:
        print_json(manifest)
        return
    header = manifest["header"]
    typer.echo(f"genuine: {manifest['code']} of {header['period']['name']}, {header['origin']}")
    typer.echo(f"log size {header['size']}, root {header['root']}")
    typer.echo(f"rules    {header['rulePack']} {header['rulePackVersion']}")
    typer.echo(f"digest   {manifest['digest']}")
    typer.echo(f"signed by {public.kid}, {len(manifest['files'])} files")
