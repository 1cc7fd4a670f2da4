"""What a tool or an agent returned, in three words or as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from web.terminal.formats import count, format_number, one_line, shorten

_DIGEST_LENGTH = 48
#: A terminal is read from the bottom: of a long table the beginning is enough, and the page has the rest.
_MAX_ROWS = 40
_MAX_CHARACTERS = 4_000
_MAX_FIELDS = 3


def digest(value: Any, *, truncated: bool = False) -> str:
    """Say in three words what came out; nothing when nothing did."""
    if truncated:
        return "large result"
    match value:
        case None:
            return ""
        case dict() if is_table(value):
            return count(_rows_of(value), "row")
        case dict() if is_chart(value):
            return f"{value['chart']} chart"
        case dict():
            return _digest_of_fields(value)
        case list():
            return count(len(value), "item")
        case bool():
            return str(value).lower()
        case int() | float():
            return format_number(value)
        case _:
            return shorten(str(value), _DIGEST_LENGTH)


def as_markdown(value: Any) -> str:
    """Write a result that is not text, a table as a table and anything else as JSON."""
    if isinstance(value, str):
        return value
    if is_table(value):
        return _table(value["columns"], value["rows"], total=_rows_of(value))
    if is_chart(value):
        return chart_as_table(value)
    return f"```json\n{_cut(compact(value, indent=2))}\n```"


def chart_as_table(chart: dict[str, Any]) -> str:
    """A chart's figures under its title."""
    columns = [chart.get("x_label") or "", *(one["name"] for one in chart["series"])]
    rows = [
        [label, *(_at(one["values"], place) for one in chart["series"])] for place, label in enumerate(chart["labels"])
    ]
    return f"**{one_line(str(chart.get('title') or 'Chart'))}**\n\n{_table(columns, rows, total=len(rows))}"


def is_table(value: Any) -> bool:
    """Whether a result is a table, and one that holds together."""
    return (
        isinstance(value, dict)
        and value.get("kind") == "table"
        and isinstance(value.get("columns"), list)
        and isinstance(value.get("rows"), list)
        and all(isinstance(row, list) for row in value["rows"])
    )


def is_chart(value: Any) -> bool:
    """Whether a result is a chart, and one that holds together."""
    return (
        isinstance(value, dict)
        and value.get("kind") == "chart"
        and isinstance(value.get("chart"), str)
        and isinstance(value.get("labels"), list)
        and isinstance(value.get("series"), list)
        and all(_is_series(one) for one in value["series"])
    )


def compact(value: Any, *, indent: int = 0) -> str:
    """Write a value as JSON."""
    raw = msgspec.json.encode(value)
    return (msgspec.json.format(raw, indent=indent) if indent else raw).decode()


def _is_series(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("name"), str) and isinstance(value.get("values"), list)


def _rows_of(table: dict[str, Any]) -> int:
    total = table.get("total_rows")
    return max(len(table["rows"]), total if isinstance(total, int) else 0)


def _table(columns: Sequence[Any], rows: Sequence[Sequence[Any]], *, total: int) -> str:
    shown = [_row(row) for row in rows[:_MAX_ROWS]]
    lines = [_row(columns), _row_of_cells(["---"] * max(1, len(columns))), *shown]
    if total > len(shown):
        lines += ["", f"{format_number(total - len(shown))} more rows"]
    return "\n".join(lines)


def _row(cells: Sequence[Any]) -> str:
    return _row_of_cells([_cell(cell) for cell in cells] or [""])


def _row_of_cells(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(value: Any) -> str:
    text = value if isinstance(value, str) else _scalar(value)
    return one_line(text).replace("|", "\\|")


def _scalar(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return format_number(value)
    return compact(value)


# A tool that answers with one value often puts it beside an echo of its arguments.
def _digest_of_fields(fields: dict[str, Any]) -> str:
    for name in ("result", "value"):
        if name in fields and not isinstance(fields[name], dict | list):
            return digest(fields[name])
    if len(fields) > _MAX_FIELDS or any(isinstance(value, dict | list) for value in fields.values()):
        return count(len(fields), "field")
    texts = (f"{name}: {value if isinstance(value, str) else compact(value)}" for name, value in fields.items())
    return shorten(", ".join(texts), _DIGEST_LENGTH)


def _at(values: Sequence[Any], place: int) -> Any:
    return values[place] if place < len(values) else None


def _cut(text: str) -> str:
    return text if len(text) <= _MAX_CHARACTERS else f"{text[:_MAX_CHARACTERS]}\n…"
