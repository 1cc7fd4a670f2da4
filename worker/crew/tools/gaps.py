"""The tool that finds what the user's data lacks for a question."""

# ruff: noqa: S608 - names are quoted, and a workspace runs nothing but reading statements

from __future__ import annotations

from typing import Any

from worker.agent.tool import ToolContext, tool
from worker.crew.lookup import Column, Table, all_tables, rows_of
from worker.crew.periods import missing_months, parse_period
from worker.crew.wording import asks_about_change, unmatched_concepts
from worker.workspace.identifiers import quote

#: A column this empty answers nothing.
MOSTLY_EMPTY_PERCENT = 30
_MAX_TABLES = 10
_MAX_COLUMNS = 60
_MAX_PERIODS = 5000


@tool(timeout_seconds=45, idempotent=True)
def data_gaps(ctx: ToolContext, question: str) -> dict[str, Any]:
    """Find what the tables lack to answer a question: columns, filled cells, periods. Says so for each table.

    Args:
        question: The question in the user's words.
    """
    tables = all_tables(ctx.workspace)[:_MAX_TABLES]
    if not tables:
        return {"tables": [], "missing": ["a table: none has been uploaded yet"], "enough": False}
    found = []
    for table in tables:
        found.append(_table_gaps(ctx, table, question))
        ctx.report(table.name, len(found) / len(tables))
    # What the best table lacks is what has to be asked for.
    missing = min((gaps["missing"] for gaps in found), key=len)
    return {"tables": found, "missing": missing, "enough": not missing}


def find_missing(question: str, columns: list[Column], periods: int) -> list[str]:
    """Say what columns a question needs and a table lacks; `periods` counts the different periods it covers. No I/O."""
    numbers = [column.name for column in columns if column.is_number]
    others = [column.name for column in columns if not column.is_number]
    missing = [f"a column of numbers for {name}" for name in unmatched_concepts(question, numbers, "measure")]
    if not numbers and not missing:
        missing.append("a column of numbers")
    missing += [f"a column for {name}" for name in unmatched_concepts(question, [*others, *numbers], "dimension")]
    if asks_about_change(question) and periods < 2:
        missing.append("a date column with at least two periods, to see a change")
    return missing


def _table_gaps(ctx: ToolContext, table: Table, question: str) -> dict[str, Any]:
    columns = table.columns[:_MAX_COLUMNS]
    periods = _periods(ctx, table, columns)
    return {
        "table": table.name,
        "rows": table.rows,
        "missing": ["rows: the table is empty"] if not table.rows else find_missing(question, columns, len(periods)),
        "mostly_empty_columns": _empty_columns(ctx, table, columns),
        "first_period": periods[0] if periods else None,
        "last_period": periods[-1] if periods else None,
        "missing_months": missing_months(periods)[:24],
    }


def _empty_columns(ctx: ToolContext, table: Table, columns: list[Column]) -> list[str]:
    if not table.rows:
        return []
    shares = ", ".join(f"100.0 * (count(*) - count({quote(column.name)})) / count(*)" for column in columns)
    [percents] = rows_of(ctx.workspace, f"SELECT {shares} FROM {quote(table.name)}")
    return [
        f"{column.name} ({percent:.0f} % empty)"
        for column, percent in zip(columns, percents, strict=True)
        if percent >= MOSTLY_EMPTY_PERCENT
    ]


def _periods(ctx: ToolContext, table: Table, columns: list[Column]) -> list[str]:
    """The different periods of the first column that holds any, in order."""
    for column in columns:
        name = quote(column.name)
        condition = f"FROM {quote(table.name)} WHERE {name} IS NOT NULL"
        values = [
            str(value)
            for (value,) in rows_of(
                ctx.workspace,
                f"SELECT DISTINCT substr({name}, 1, 10) {condition} LIMIT {_MAX_PERIODS}",
                max_rows=_MAX_PERIODS,
            )
        ]
        known = {value: period for value in values if (period := parse_period(value))}
        if values and len(known) == len(values):
            return sorted(known, key=lambda value: known[value])
    return []
