"""The tool that specifies a chart; the page draws it."""

from __future__ import annotations

import math
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from worker.agent.tool import ToolContext, tool
from worker.crew.errors import BadRequest
from worker.crew.lookup import QUERY_SECONDS

ChartKind = Literal["bar", "line", "pie", "scatter"]

#: More points than this cannot be told apart on a page.
MAX_POINTS = {"bar": 60, "line": 500, "pie": 12, "scatter": 500}
MAX_SERIES = 8
_MAX_TEXT = 120


class Series(BaseModel):
    """One line, or one set of bars."""

    model_config = ConfigDict(extra="forbid")

    name: str
    values: list[float | None]


@tool(idempotent=True)
def make_chart(
    ctx: ToolContext,
    chart: ChartKind,
    title: str,
    sql: str | None = None,
    labels: list[str] | None = None,
    series: list[Series] | None = None,
    x_label: str = "",
    y_label: str = "",
) -> dict[str, Any]:
    """Show a chart to the user, from a SELECT statement or from values.

    Args:
        chart: bar, line, pie or scatter. A scatter chart needs labels that are numbers.
        title: What the chart shows.
        sql: SELECT whose first column gives the labels and whose other columns are numbers, one series each.
        labels: Labels of the horizontal axis or of the slices, when no sql is given.
        series: Series with one value per label, when no sql is given.
        x_label: Name of the horizontal axis.
        y_label: Name of the vertical axis.
    """
    if (sql is None) == (labels is None or series is None):
        raise BadRequest("Give either `sql`, or `labels` and `series`.")
    if sql is not None:
        names, found = _from_sql(ctx, chart, sql)
    else:
        names, found = [str(label) for label in labels or []], list(series or [])
    _check(chart, names, found)
    return {
        "kind": "chart",
        "chart": chart,
        "title": title[:_MAX_TEXT],
        "x_label": x_label[:_MAX_TEXT],
        "y_label": y_label[:_MAX_TEXT],
        "labels": [name[:_MAX_TEXT] for name in names],
        "series": [{"name": one.name[:_MAX_TEXT], "values": one.values} for one in found],
    }


def _from_sql(ctx: ToolContext, chart: ChartKind, sql: str) -> tuple[list[str], list[Series]]:
    result = ctx.workspace.query(sql, max_rows=MAX_POINTS[chart], seconds=QUERY_SECONDS)
    if result.more:
        raise BadRequest(f"A {chart} chart shows at most {MAX_POINTS[chart]} points; group, or add a LIMIT.")
    if len(result.columns) < 2:
        raise BadRequest("The statement needs a column of labels and at least one column of numbers.")
    labels = ["(empty)" if row[0] is None else str(row[0]) for row in result.rows]
    series = [
        Series(name=name, values=[_number(row[place], name) for row in result.rows])
        for place, name in enumerate(result.columns[1:], start=1)
    ]
    return labels, series


def _number(value: Any, column: str) -> float | None:
    if value is None or (isinstance(value, int | float) and math.isfinite(value)):
        return value
    raise BadRequest(f"Column {column} holds {str(value)[:40]!r}, which is no number.")


def _check(chart: ChartKind, labels: list[str], series: list[Series]) -> None:
    if not labels or not series:
        raise BadRequest("There is nothing to show: no labels or no series.")
    if len(labels) > MAX_POINTS[chart] or len(series) > MAX_SERIES:
        raise BadRequest(f"A {chart} chart shows at most {MAX_POINTS[chart]} points and {MAX_SERIES} series.")
    for one in series:
        if len(one.values) != len(labels):
            raise BadRequest(f"Series {one.name!r} has {len(one.values)} values for {len(labels)} labels.")
        if any(value is not None and not math.isfinite(value) for value in one.values):
            raise BadRequest(f"Series {one.name!r} holds a value that is not a finite number.")
    if chart == "pie" and (len(series) > 1 or any((value or 0) < 0 for value in series[0].values)):
        raise BadRequest("A pie chart has one series without negative values.")
    if chart == "scatter" and not all(map(_is_number, labels)):
        raise BadRequest("A scatter chart needs labels that are numbers.")


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
