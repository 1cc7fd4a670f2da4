"""Tools that tell what tables there are, and store new ones."""

from __future__ import annotations

from typing import Any

from worker.agent.tool import ToolContext, tool
from worker.crew.errors import BadRequest
from worker.crew.lookup import QUERY_SECONDS, find_table
from worker.crew.shapes import table_result
from worker.crew.statistics import ColumnStatistics, column_statistics

#: Columns that `describe_table` measures in one call; each costs some queries.
MAX_COLUMNS = 40
#: Rows that `save_table` takes from a query.
MAX_SAVED_ROWS = 50_000


@tool(idempotent=True)
def list_tables(ctx: ToolContext) -> dict[str, Any]:
    """List the user's tables: name, number of rows, columns with their types, and the file each came from."""
    rows = [
        [table["name"], table["rows"], table.get("problem") or _columns(table["columns"]), table["file"]]
        for table in ctx.workspace.tables()
    ]
    return table_result(["table", "rows", "columns", "file"], rows)


@tool(timeout_seconds=60, idempotent=True)
def describe_table(ctx: ToolContext, table: str, columns: list[str] | None = None) -> dict[str, Any]:
    """Measure a table's columns: filled and empty cells, distinct values, min, max, mean, median, stdev, top values.

    Args:
        table: Name of the table.
        columns: Only these columns; leave out for all.
    """
    found = find_table(ctx.workspace, table)
    chosen = [found.column(name) for name in columns] if columns else found.columns
    rows = []
    for number, column in enumerate(chosen[:MAX_COLUMNS], start=1):
        rows.append(column_statistics(ctx.workspace, found.name, column))
        ctx.report(f"{column.name}", number / min(len(chosen), MAX_COLUMNS))
    return table_result(
        ColumnStatistics._fields, rows, total_rows=len(chosen), table=found.name, rows_in_table=found.rows
    )


@tool(timeout_seconds=60, idempotent=True)
def save_table(
    ctx: ToolContext,
    name: str,
    sql: str | None = None,
    columns: list[str] | None = None,
    rows: list[list[str | float | int | bool | None]] | None = None,
) -> dict[str, Any]:
    """Store a table for the user, in the place of one with the same name: from a query, or from given rows.

    Args:
        name: Name of the new table.
        sql: A SELECT statement whose result is stored.
        columns: Column names, when rows are given instead.
        rows: The rows, each with one value per column.
    """
    if (sql is None) == (columns is None):
        raise BadRequest("Give either `sql`, or `columns` and `rows`.")
    if sql is not None:
        result = ctx.workspace.query(sql, max_rows=MAX_SAVED_ROWS, seconds=QUERY_SECONDS)
        if result.more:
            raise BadRequest(f"The query gives more than {MAX_SAVED_ROWS:,} rows; group or filter more.")
        saved = ctx.workspace.add_table(name, result.columns, result.rows)
    else:
        saved = ctx.workspace.add_table(name, columns or [], rows or [])
    return {"table": saved["name"], "rows": saved["rows"], "columns": saved["columns"], "file": saved["file"]}


def _columns(columns: list[dict[str, str]]) -> str:
    shown = ", ".join(f"{column['name']} ({column['type']})" for column in columns[:MAX_COLUMNS])
    return f"{shown} and {len(columns) - MAX_COLUMNS} more" if len(columns) > MAX_COLUMNS else shown
