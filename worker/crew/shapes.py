"""Results that the page shows richly: tables and charts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def table_result(
    columns: Sequence[str], rows: Sequence[Sequence[Any]], *, total_rows: int | None = None, **more: Any
) -> dict[str, Any]:
    """Make a table; `total_rows` counts those that are not shown too, `more` is told beside it."""
    total = len(rows) if total_rows is None else total_rows
    return {"kind": "table", "columns": list(columns), "rows": [list(row) for row in rows], "total_rows": total, **more}


def rounded(value: Any) -> Any:
    """A number as people read it: not more than four decimals."""
    return round(value, 4) if isinstance(value, float) else value
