"""A folder of Parquet that somebody may take away: the entries and every view, as of a size.

    DIR/entries/entries-000000000000-000000065536.parquet …   the flat entries
    DIR/orders.parquet …                                      one file for each view
    DIR/views.json                                            what each view and column means

Any reader of Parquet opens it. It holds what bodies hold, opaque ids and salted fingerprints, and
no name of a person or an enterprise.
"""

from __future__ import annotations

import json
from pathlib import Path

import duckdb

from regulator.analytics.export import PARTITION_ENTRIES, AnalyticsUnusable, quoted
from regulator.analytics.session import ZONE, open_session
from regulator.analytics.views import NAMES, views


def hand_out(folder: Path, target: Path, *, size: int | None = None, zone: str = ZONE) -> int:
    """Writes the folder `target`, which must be new or empty; the number of entries in it.

    Days and months in the views are those of `zone`. Raises `AnalyticsUnusable`, also when the disk
    is full, and what `open_session` does.
    """
    try:
        target.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(target.iterdir()):
            raise AnalyticsUnusable(f"{target} is not empty")
        (target / "entries").mkdir(mode=0o700)
        with open_session(folder, size=size, zone=zone, writes_to=target) as session:
            for start in range(0, session.size, PARTITION_ENTRIES):
                end = min(start + PARTITION_ENTRIES, session.size)
                path = target / "entries" / f"entries-{start:012}-{end:012}.parquet"
                session.base.execute(
                    f"COPY (FROM entries WHERE idx >= {start} AND idx < {end} ORDER BY idx) "
                    f"TO {quoted(path)} (FORMAT parquet, COMPRESSION zstd)"
                )
            for name in ("log", *NAMES):
                session.base.execute(
                    f"COPY (FROM {name}) TO {quoted(target / f'{name}.parquet')} "
                    "(FORMAT parquet, COMPRESSION zstd)"
                )
            meanings = {
                view.name: {"says": view.says, "columns": dict(view.columns)} for view in views()
            }
            text = json.dumps({"size": session.size, "views": meanings}, indent=2) + "\n"
            (target / "views.json").write_text(text, encoding="utf-8")
            return session.size
    except (OSError, duckdb.Error) as error:
        raise AnalyticsUnusable(f"cannot write {target}: {error}") from None
