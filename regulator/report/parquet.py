"""A table as Parquet, written by DuckDB; the header stands in the file's key-value metadata.

Columns have the table's ids and the types of their kinds: BIGINT, TIMESTAMPTZ, DECIMAL(18, 2) for
money and percent, VARCHAR. A column with texts in two languages is two, the second `…_zh`. One
thread, so that the same table gives the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import duckdb

from regulator.report.model import Both, Column, Kind, Table

_SETTINGS: Final[dict[str, Any]] = {
    "threads": 1,
    "memory_limit": "1GiB",
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
}

# From the integer as stored to the type that says what it is.
_SELECT: Final = {
    Kind.TIME: "make_timestamptz({name} * 1000)",
    Kind.MONEY: "({name}::DECIMAL(18, 0) * 0.01::DECIMAL(3, 2))::DECIMAL(18, 2)",
    Kind.PERCENT: "({name}::DECIMAL(18, 0) * 0.01::DECIMAL(3, 2))::DECIMAL(18, 2)",
}


def write_parquet(path: Path, table: Table, metadata: Mapping[str, str]) -> None:
    """Writes a new file; `metadata` is what the report's header says."""
    columns = list(_spread(table))
    lines = path.with_suffix(".lines")
    with lines.open("x", encoding="utf-8") as file:
        for row in table.rows:
            file.write(json.dumps(_line(row, table.columns)) + "\n")
    types = {name: "BIGINT" if column.kind.is_number else "VARCHAR" for name, column in columns}
    select = ", ".join(
        f"{_SELECT.get(column.kind, '{name}').format(name=_name(name))} AS {_name(name)}"
        for name, column in columns
    )
    said = ", ".join(f"{_name(key)}: {_text(value)}" for key, value in metadata.items())
    read = (
        f"read_json({_text(str(lines))}, format = 'newline_delimited', columns = "
        "{" + ", ".join(f"{_name(name)}: '{type_}'" for name, type_ in types.items()) + "})"
    )
    try:
        with duckdb.connect(":memory:", config=_SETTINGS) as connection:
            connection.execute(
                # Names are ids of ours, texts are quoted: nothing of an event is a statement.
                f"COPY (SELECT {select} FROM {read}) TO {_text(str(path))} "  # noqa: S608
                f"(FORMAT parquet, COMPRESSION zstd, KV_METADATA {{{said}}})"
            )
    finally:
        lines.unlink()


def _spread(table: Table) -> Iterator[tuple[str, Column]]:
    for index, column in enumerate(table.columns):
        yield column.id, column
        if any(isinstance(row[index], Both) for row in table.rows):
            yield f"{column.id}_zh", column


def _line(row: tuple[Any, ...], columns: tuple[Column, ...]) -> dict[str, Any]:
    line = {}
    for value, column in zip(row, columns, strict=True):
        if isinstance(value, Both):
            line[column.id], line[f"{column.id}_zh"] = value.en, value.zh
        else:
            line[column.id] = value
            if isinstance(value, str):
                line[f"{column.id}_zh"] = value
    return line


def _name(name: str) -> str:
    return f'"{name}"'


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
