"""One reading statement on the cache, with every way to do more than read closed.

| what a statement could try            | what stops it                                              |
|---------------------------------------|------------------------------------------------------------|
| write, create, drop                   | `mode=ro`, `query_only`, authorizer                        |
| ATTACH, PRAGMA, load_extension        | authorizer, attached-database limit of 0                   |
| read the cache's own tables           | authorizer                                                 |
| run for ever                          | progress handler with a deadline                           |
| build huge values, sort endless rows  | length limit per value, heap limit with sorting in memory  |
| return everything                     | row limit, byte limit                                      |
| a second statement                    | the sqlite3 module runs one                                |
"""

from __future__ import annotations

import math
import sqlite3
import time
from typing import Any

from worker.agent.ports import QueryResult
from worker.workspace.cache import is_broken
from worker.workspace.errors import QueryError, QueryRefused, QueryTooSlow
from worker.workspace.limits import MEBIBYTE, WorkspaceLimits

#: Names that begin like this are the cache's own tables.
INTERNAL_PREFIX = "_"

_READING = frozenset({sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE})
_FORBIDDEN_FUNCTIONS = frozenset({"load_extension", "fts3_tokenizer", "zeroblob", "randomblob"})
#: Three times the largest cell of an upload. It bounds one step, which nothing can interrupt.
_MAX_VALUE_BYTES = 100_000
#: For all statements of the process together. Sorting happens in memory, so that no query can fill the disk.
_MAX_HEAP_BYTES = 256 * MEBIBYTE
#: Virtual machine steps between two looks at the clock. One step may handle two values of the largest size.
_STEPS_PER_CHECK = 200
#: Largest whole number that a browser reads exactly.
_MAX_EXACT = 2**53
_LENGTHS = (
    (sqlite3.SQLITE_LIMIT_LENGTH, _MAX_VALUE_BYTES),
    (sqlite3.SQLITE_LIMIT_ATTACHED, 0),
    (sqlite3.SQLITE_LIMIT_COMPOUND_SELECT, 50),
    (sqlite3.SQLITE_LIMIT_EXPR_DEPTH, 200),
    (sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 1000),
    (sqlite3.SQLITE_LIMIT_WORKER_THREADS, 0),
)


def run_query(
    connection: sqlite3.Connection, sql: str, *, max_rows: int, seconds: float, limits: WorkspaceLimits
) -> QueryResult:
    """Run one reading statement on a connection of its own, which is of no use for anything else afterwards.

    Raises:
        QueryRefused: The statement is wrong, does more than read, or gives too much.
        QueryTooSlow: It took longer than `seconds`.
    """
    if len(sql) > limits.max_sql_characters:
        raise QueryRefused(f"The statement has {len(sql):,} characters; the limit is {limits.max_sql_characters:,}.")
    tables = _table_columns(connection)
    _confine(connection, seconds)
    try:
        cursor = connection.execute(sql)
        if cursor.description is None:
            raise QueryRefused("The statement gives no rows; write one SELECT.")
        return _fetch(cursor, max_rows, limits.max_result_bytes)
    except MemoryError as error:
        raise QueryRefused("The statement needs too much memory; group or filter more.") from error
    except (sqlite3.Error, sqlite3.Warning, ValueError) as error:
        if isinstance(error, sqlite3.Error) and is_broken(error):
            raise
        raise _explained(error, tables, seconds) from error


def _confine(connection: sqlite3.Connection, seconds: float) -> None:
    connection.execute("PRAGMA query_only = 1")
    connection.execute("PRAGMA temp_store = MEMORY")
    connection.execute(f"PRAGMA hard_heap_limit = {_MAX_HEAP_BYTES}")
    for category, limit in _LENGTHS:
        connection.setlimit(category, limit)
    deadline = time.monotonic() + seconds
    connection.set_progress_handler(lambda: time.monotonic() > deadline, _STEPS_PER_CHECK)
    connection.set_authorizer(_authorize)


def _authorize(action: int, first: str | None, second: str | None, _database: str | None, _trigger: str | None) -> int:
    if action not in _READING:
        return sqlite3.SQLITE_DENY
    if action == sqlite3.SQLITE_READ and (first or "").startswith(INTERNAL_PREFIX):
        return sqlite3.SQLITE_DENY
    if action == sqlite3.SQLITE_FUNCTION and (second or "").lower() in _FORBIDDEN_FUNCTIONS:
        return sqlite3.SQLITE_DENY
    return sqlite3.SQLITE_OK


def _fetch(cursor: sqlite3.Cursor, max_rows: int, max_bytes: int) -> QueryResult:
    columns = [entry[0] for entry in cursor.description]
    rows: list[list[Any]] = []
    size = 0
    for row in cursor:
        if len(rows) >= max_rows:
            return QueryResult(columns, rows, more=True)
        size += sum(len(value) if isinstance(value, str | bytes) else 8 for value in row)
        if size > max_bytes:
            raise QueryRefused(f"The result has more than {max_bytes:,} bytes; select fewer columns or rows.")
        rows.append([_plain(value) for value in row])
    return QueryResult(columns, rows, more=False)


def _plain(value: Any) -> Any:
    """A value that JSON can carry and a browser reads as it is."""
    match value:
        case bytes():
            return f"({len(value)} bytes)"
        case float() if not math.isfinite(value):
            return None
        case int() if abs(value) > _MAX_EXACT:
            return str(value)
        case _:
            return value


def _table_columns(connection: sqlite3.Connection) -> dict[str, list[str]]:
    sql = """SELECT t.name, c.name FROM sqlite_schema t, pragma_table_info(t.name) c
             WHERE t.type = 'table' ORDER BY t.name, c.cid"""
    tables: dict[str, list[str]] = {}
    for table, column in connection.execute(sql):
        if not table.startswith(INTERNAL_PREFIX):
            tables.setdefault(table, []).append(column)
    return tables


def _explained(error: Exception, tables: dict[str, list[str]], seconds: float) -> QueryError:
    words = str(error)
    if words == "interrupted":
        return QueryTooSlow(f"The statement took longer than {seconds:g} s and was stopped; group or filter more.")
    if "not authorized" in words or "prohibited" in words or "readonly" in words:
        return QueryRefused(f"Only reading the user's tables is allowed ({words}); write one SELECT.")
    if "no such table" in words or "no such column" in words:
        return QueryRefused(f"{words}. {_describe(tables)}")
    return QueryRefused(f"The statement does not work: {words}.")


def _describe(tables: dict[str, list[str]]) -> str:
    if not tables:
        return "There are no tables."
    described = (f"{name} ({', '.join(columns[:40])})" for name, columns in list(tables.items())[:20])
    return f"There are: {'; '.join(described)}."
