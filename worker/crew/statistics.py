"""Statistics of one column, computed by the database."""

# ruff: noqa: S608 - names are quoted, and a workspace runs nothing but reading statements

from __future__ import annotations

import math
from typing import Any, NamedTuple

from worker.agent.ports import Workspace
from worker.crew.lookup import Column, rows_of
from worker.crew.shapes import rounded
from worker.workspace.identifiers import quote

TOP_VALUES = 5
#: A number with few different values is a code, and its most frequent values say something.
_FEW = 20
_MAX_SHOWN = 60


class ColumnStatistics(NamedTuple):
    """A line of `describe_table`; None where it makes no sense for the type."""

    column: str
    type: str
    filled: int
    empty: int
    distinct: int
    min: Any
    max: Any
    mean: float | None
    median: float | None
    stdev: float | None
    #: The most frequent values with their counts.
    top: str


def column_statistics(workspace: Workspace, table: str, column: Column) -> ColumnStatistics:
    """Measure one column. Blocks for some queries."""
    name, source = quote(column.name), quote(table)
    measures = f"count({name}), count(*) - count({name}), count(DISTINCT {name}), min({name}), max({name})"
    [[filled, empty, distinct, low, high]] = rows_of(workspace, f"SELECT {measures} FROM {source}")
    mean, median, stdev = (
        _centre(workspace, name, source, filled) if column.is_number and filled else (None, None, None)
    )
    top = _top(workspace, name, source) if not column.is_number or distinct <= _FEW else ""
    return ColumnStatistics(
        column.name, column.type, filled, empty, distinct, _shown(low), _shown(high), mean, median, stdev, top
    )


def _centre(workspace: Workspace, name: str, source: str, count: int) -> tuple[float, float, float | None]:
    [[mean]] = rows_of(workspace, f"SELECT avg({name}) FROM {source}")
    # About the mean, in a second pass: the one-pass formula loses all digits when the values are large and close.
    [[squares]] = rows_of(workspace, f"SELECT sum(({name} - {mean!r}) * ({name} - {mean!r})) FROM {source}")
    middle = f"ORDER BY 1 LIMIT {2 - count % 2} OFFSET {(count - 1) // 2}"
    inner = f"SELECT {name} AS value FROM {source} WHERE {name} IS NOT NULL {middle}"
    [[median]] = rows_of(workspace, f"SELECT avg(value) FROM ({inner})")
    return rounded(mean), rounded(median), rounded(math.sqrt(squares / (count - 1))) if count > 1 else None


def _top(workspace: Workspace, name: str, source: str) -> str:
    order = f"GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {TOP_VALUES}"
    rows = rows_of(workspace, f"SELECT {name}, count(*) FROM {source} WHERE {name} IS NOT NULL {order}")
    return ", ".join(f"{_shown(value)} ({count})" for value, count in rows)


def _shown(value: Any) -> Any:
    return f"{value[:_MAX_SHOWN]}…" if isinstance(value, str) and len(value) > _MAX_SHOWN else rounded(value)
