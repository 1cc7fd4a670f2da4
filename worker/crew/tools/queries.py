"""Tools that read the user's tables: SQL, and groups compared over time."""

# ruff: noqa: S608 - names are quoted, and a workspace runs nothing but reading statements

from __future__ import annotations

from typing import Any, Literal

from worker.agent.ports import QueryResult
from worker.agent.tool import ToolContext, tool
from worker.crew.comparison import EMPTY, Aggregate, Cell, Comparison, compare
from worker.crew.errors import BadRequest
from worker.crew.lookup import QUERY_SECONDS, Table, find_table, literal, rows_of
from worker.crew.shapes import rounded, table_result
from worker.workspace.errors import QueryError
from worker.workspace.identifiers import quote

MAX_ROWS = 200
MAX_GROUPS = 50
#: Groups times raw period values that are gathered outside the database.
_MAX_CELLS = 50_000
_COUNT_SECONDS = 3.0


@tool(idempotent=True)
def query_data(ctx: ToolContext, sql: str, max_rows: int = 100) -> dict[str, Any]:
    """Run one read-only SQLite SELECT on the user's tables. Quote names with double quotes. Empty cells are NULL.

    Args:
        sql: The statement.
        max_rows: Rows to return, at most 200; the true number is told anyway.
    """
    wanted = max(1, min(max_rows, MAX_ROWS))
    result = ctx.workspace.query(sql, max_rows=wanted, seconds=QUERY_SECONDS)
    rows = [[rounded(value) for value in row] for row in result.rows]
    return table_result(result.columns, rows, total_rows=_total(ctx, sql, result), more=result.more)


@tool(idempotent=True)
def compare_groups(
    ctx: ToolContext,
    table: str,
    dimension: str,
    measure: str,
    period: str | None = None,
    aggregate: Aggregate = "sum",
    only: dict[str, str] | None = None,
    first: str | None = None,
    last: str | None = None,
    order: Literal["losses", "gains"] = "losses",
) -> dict[str, Any]:
    """Add up a measure for each group; with a period column, also how it changed from the first period to the last.

    Dates are gathered into years, quarters, months or days, whichever compares like with like.

    Args:
        table: Name of the table.
        dimension: Column whose values are the groups.
        measure: Column to add up.
        period: Column with dates, months, quarters or years.
        aggregate: sum, average or count.
        only: Keep only rows with these values, such as {"region": "North"}.
        first: The earlier period, when it is not the first one.
        last: The later period, when it is not the last one.
        order: Which groups come first.
    """
    found = find_table(ctx.workspace, table)
    group, value = found.column(dimension), found.column(measure)
    if aggregate != "count" and not value.is_number:
        raise BadRequest(f"{value.name} holds {value.type}, no numbers; choose another measure or count.")
    if period is None:
        return _totals(ctx, found, group.name, value.name, aggregate, only)
    cells = _cells(ctx, found, group.name, value.name, found.column(period).name, only)
    comparison = compare(cells, aggregate, first=first, last=last)
    names = {"table": found.name, "dimension": group.name, "measure": value.name, "period": found.column(period).name}
    return _changes(comparison, names, order)


def _changes(comparison: Comparison, names: dict[str, str], order: str) -> dict[str, Any]:
    changes = comparison.changes if order == "losses" else comparison.changes[::-1]
    rows = [
        [change.group, change.first, change.last, rounded(change.change), change.percent]
        for change in changes[:MAX_GROUPS]
    ]
    columns = [names["dimension"], comparison.first, comparison.last, "change", "change %"]
    return table_result(
        columns,
        rows,
        total_rows=len(changes),
        **names,
        first=comparison.first,
        last=comparison.last,
        periods=len(comparison.periods),
        total_first=rounded(sum(change.first or 0 for change in changes)),
        total_last=rounded(sum(change.last or 0 for change in changes)),
    )


def _totals(
    ctx: ToolContext, table: Table, group: str, measure: str, aggregate: Aggregate, only: dict[str, str] | None
) -> dict[str, Any]:
    function = {"sum": "sum", "average": "avg", "count": "count"}[aggregate]
    sql = (
        f"SELECT coalesce(CAST({quote(group)} AS TEXT), {literal(EMPTY)}), {function}({quote(measure)})"
        f" FROM {quote(table.name)}{_where(table, only)} GROUP BY 1 ORDER BY 2 DESC, 1"
    )
    rows = rows_of(ctx.workspace, sql, max_rows=_MAX_CELLS)
    total = sum(value or 0 for _, value in rows)
    shares = [
        [name, rounded(value), round(100 * (value or 0) / total, 1) if total and aggregate != "average" else None]
        for name, value in rows[:MAX_GROUPS]
    ]
    names = {"table": table.name, "dimension": group, "measure": measure}
    return table_result([group, f"{aggregate} of {measure}", "share %"], shares, total_rows=len(rows), **names)


def _cells(
    ctx: ToolContext, table: Table, group: str, measure: str, period: str, only: dict[str, str] | None
) -> list[Cell]:
    # The time of day is cut off: nothing is compared by the hour.
    when = f"substr({quote(period)}, 1, 10)" if table.column(period).type == "date" else quote(period)
    condition = _where(table, only, also=f"{quote(period)} IS NOT NULL")
    sql = (
        f"SELECT coalesce(CAST({quote(group)} AS TEXT), {literal(EMPTY)}), CAST({when} AS TEXT),"
        f" total({quote(measure)}), count({quote(measure)}) FROM {quote(table.name)}{condition} GROUP BY 1, 2"
    )
    rows = rows_of(ctx.workspace, sql, max_rows=_MAX_CELLS + 1)
    if len(rows) > _MAX_CELLS:
        raise BadRequest(f"{group} by {period} gives more than {_MAX_CELLS:,} groups; choose a coarser column.")
    if not rows:
        raise BadRequest("No row is left to compare.")
    return [Cell(*row) for row in rows]


def _where(table: Table, only: dict[str, str] | None, *, also: str = "") -> str:
    conditions = [
        f"CAST({quote(table.column(name).name)} AS TEXT) = {literal(value)}" for name, value in (only or {}).items()
    ]
    conditions += [also] if also else []
    return f" WHERE {' AND '.join(conditions)}" if conditions else ""


def _total(ctx: ToolContext, sql: str, result: QueryResult) -> int:
    """How many rows there are in all; as many as were read when counting takes too long."""
    if not result.more:
        return len(result.rows)
    try:
        counted = ctx.workspace.query(
            f"SELECT count(*) FROM ({sql.strip().rstrip(';')}\n)",
            max_rows=1,
            seconds=_COUNT_SECONDS,
        )
    except QueryError:
        return len(result.rows)
    total: int = counted.rows[0][0]
    return total
