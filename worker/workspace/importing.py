"""Files into the cache: a canonical CSV becomes a typed table, a document becomes passages."""

from __future__ import annotations

import csv
import io
import itertools
import sqlite3
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from worker.contract.files import FileInfo, table_name
from worker.workspace.cells import ColumnType, convert, infer_formats
from worker.workspace.corpus import passages
from worker.workspace.errors import BadInput
from worker.workspace.identifiers import free_name, quote, unique_names
from worker.workspace.limits import WorkspaceLimits


class Column(NamedTuple):
    name: str
    type: ColumnType


class Placement(NamedTuple):
    """A file and the table it goes to; the table of a document is the empty text."""

    info: FileInfo
    table: str


def place(files: Iterable[FileInfo]) -> list[Placement]:
    """Give every table file a table name of its own: of two files with one name the later gets a number."""
    taken: set[str] = set()
    placements = []
    for info in files:
        name = free_name(_sql_name(info), taken) if info.kind == "table" else ""
        taken.add(name)
        placements.append(Placement(info, name))
    return placements


def import_table(
    connection: sqlite3.Connection, table: str, text: str, limits: WorkspaceLimits
) -> tuple[list[Column], int]:
    """Create and fill a table; returns its columns and the number of rows.

    Raises:
        BadInput: The CSV has no header, too many columns, or cannot be read.
    """
    # A setting of the whole process; every writer sets it to the same value.
    csv.field_size_limit(limits.max_file_bytes)
    try:
        return _import_table(connection, table, text, limits.max_columns)
    except csv.Error as error:
        raise BadInput(f"The CSV cannot be read: {error}.") from error


def import_document(connection: sqlite3.Connection, info: FileInfo, text: str) -> None:
    """Index a document for `corpus.search`."""
    rows = ((info.name, passage, info.file_id) for passage in passages(text))
    connection.executemany("INSERT INTO _passages (name, text, file_id) VALUES (?, ?, ?)", rows)


def _import_table(connection: sqlite3.Connection, table: str, text: str, max_columns: int) -> tuple[list[Column], int]:
    header = next(_rows(text), None)
    if not header:
        raise BadInput("The CSV has no header line.")
    if len(header) > max_columns:
        raise BadInput(f"The CSV has {len(header):,} columns; at most {max_columns} can be used.")
    names = unique_names(header)
    formats = infer_formats(_body(text), len(names))
    columns = [Column(name, found.type) for name, found in zip(names, formats, strict=True)]
    connection.execute(f"CREATE TABLE {quote(table)} ({', '.join(map(_definition, columns))})")
    marks = ", ".join("?" * len(names))
    cursor = connection.executemany(
        f"INSERT INTO {quote(table)} VALUES ({marks})",  # noqa: S608 - a quoted name
        (convert(formats, row) for row in _body(text)),
    )
    return columns, max(cursor.rowcount, 0)


def _body(text: str) -> Iterator[list[str]]:
    return itertools.islice(_rows(text), 1, None)


def _rows(text: str) -> Iterator[list[str]]:
    return (row for row in csv.reader(io.StringIO(text, newline="")) if row)


def _definition(column: Column) -> str:
    affinity = {"integer": "INTEGER", "real": "REAL"}.get(column.type, "TEXT")
    return f"{quote(column.name)} {affinity}"


def _sql_name(info: FileInfo) -> str:
    # Made anew, because a name in SQL must be safe whoever wrote the entry.
    name = table_name(f"{info.table or info.name.rsplit('.', 1)[0]}.csv")
    return f"t_{name}" if name.startswith("sqlite_") else name
