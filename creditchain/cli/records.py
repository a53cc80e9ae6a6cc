"""Commitments to a data source's records, and the store of their salts and paths."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from creditchain.cli.asking import show_list
from creditchain.cli.showing import UNFIT, AsJson, fail, progress, tell
from creditchain.cli.speaking import say, submit, with_client, with_profile
from creditchain.cli.words import Observed, ProfileName, code_of, event_id_of, time_of

if TYPE_CHECKING:
    from creditchain.client.client import Client
    from creditchain.client.evidence import Receipt

records_app = typer.Typer(
    name="records", help="Commitments to records, and the record store.", no_args_is_help=True
)


@records_app.command("commit")
def records_commit(
    path: Annotated[Path, typer.Argument(help="CSV or JSON lines, up to 1,000,000 records.")],
    as_of: Annotated[str | None, typer.Option(help="When they were true; now if left out.")] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Also if this file was committed.")
    ] = False,
    profile: ProfileName = None,
    observed: Observed = False,
    as_json: AsJson = False,
) -> None:
    """Commit to a file of records: one Merkle root on the log, salts and paths in the record store.

    A line is one record: subject (the enterprise's id, en_…), section (IDENTITY, LOANS, …) and
    data, an object with the section's fields as the report's schema creditchain-report/v1 names
    them. CSV: the columns subject, section and data (JSON in a cell); or subject, section and one
    column for each field, if they all are texts. Every line is checked before anything is said.

    Cut off in between it is run again, and goes on with the same event.
    """
    from creditchain.client.local_store import BadStore
    from creditchain.client.record_store import RecordStore
    from creditchain.client.records import BadRecords, read_records
    from creditchain.client.shape import check_shape
    from creditchain.client.signer import now_ms, sealed_before

    time = now_ms() if as_of is None else time_of(as_of)
    place = with_profile(profile, lambda chosen: chosen.record_store())
    try:
        store = RecordStore(place)
        digest = _digest_of(path)
        batch = None if again else store.find_source(digest)
        if batch is None:
            with progress(as_json, "records", path.stat().st_size) as advance:
                batch = store.add(read_records(path, advance, check_shape), time, digest)
    except (BadRecords, BadStore) as error:
        fail(UNFIT, str(error))
    told = {"batch": batch.id, "count": batch.count, "sections": list(batch.sections)}
    if batch.index is not None:
        tell(as_json, {**told, "index": batch.index}, f"Committed already as {batch.id}.")
        return

    async def work(client: Client) -> Receipt:
        from creditchain.client.client import NotObserved, RefusedByHub
        from creditchain.rulebook.refusal import Refusal

        sealed = client.signer.seal(batch.event(), id=batch.id)
        if batch.body is not None:
            sealed = sealed_before(batch.body)
        store.keep_body(batch.id, sealed.body)
        try:
            return await submit(profile, client, sealed, observed)
        except NotObserved as late:
            store.mark_committed(batch.id, late.index)
            raise
        except RefusedByHub as refused:
            if refused.code is not Refusal.CLOCK_SKEW or batch.body is None:
                raise
        # Signed long ago and never admitted: signed anew, it is still the same event.
        sealed = client.signer.seal(batch.event(), id=batch.id)
        store.keep_body(batch.id, sealed.body)
        return await submit(profile, client, sealed, observed)

    receipt = with_client(profile, work)
    store.mark_committed(batch.id, receipt.index)
    store.close()
    tell(
        as_json,
        {**told, "index": receipt.index, "level": receipt.level.value},
        f"Committed {batch.count:,} records as {batch.id}, entry {receipt.index}.",
    )


@records_app.command("supersede")
def records_supersede(
    batch: Annotated[str, typer.Argument(help="The batch's id.", callback=event_id_of)],
    reason: Annotated[str, typer.Option(help="CORRECTED, UPDATED or RETRACTED.")],
    replacement: Annotated[str | None, typer.Option(help="The batch in its place.")] = None,
    profile: ProfileName = None,
    as_json: AsJson = False,
) -> None:
    """Say that a batch no longer counts."""
    from creditchain.client.record_store import RecordStore
    from creditchain.events.codes import SupersedeReason
    from creditchain.events.records import RecordsSuperseded

    body = RecordsSuperseded(batch, code_of(SupersedeReason, reason), replacement)
    place = with_profile(profile, lambda chosen: chosen.records)
    say(profile, as_json, body)
    if place is not None and place.exists():
        store = RecordStore(place)
        if store.batch(batch) is not None:
            store.mark_superseded(batch)
        store.close()


@records_app.command("list")
def records_list(profile: ProfileName = None, as_json: AsJson = False) -> None:
    """List the batches of all holders."""
    columns = ("id", "member", "count", "sections", "asOf", "supersededAt")
    show_list(profile, as_json, "RecordBatches", columns)


def _digest_of(path: Path) -> bytes:
    import hashlib

    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError as error:
        fail(UNFIT, f"{path}: {error.strerror}")
