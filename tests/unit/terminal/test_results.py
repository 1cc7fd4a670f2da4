"""Results that are no text, as Markdown."""

from __future__ import annotations

from web.terminal.results import as_markdown

TABLE = {
    "kind": "table",
    "columns": ["region", "q|1"],
    "rows": [["South", 412380.0], [None, {"a": 1}]],
    "total_rows": 2,
}


def test_a_table_is_a_table() -> None:
    assert as_markdown(TABLE).splitlines() == [
        "| region | q\\|1 |",
        "| --- | --- |",
        "| South | 412,380 |",
        '|  | {"a":1} |',
    ]


def test_a_long_table_says_how_much_is_left_out() -> None:
    lines = as_markdown({**TABLE, "rows": [["x", 1]] * 100, "total_rows": 5_000}).splitlines()

    assert len(lines) == 2 + 40 + 2
    assert lines[-1] == "4,960 more rows"


def test_a_chart_is_its_figures() -> None:
    chart = {
        "kind": "chart",
        "chart": "bar",
        "title": "Revenue",
        "x_label": "Region",
        "labels": ["South", "West"],
        "series": [{"name": "Q1", "values": [1, 2]}, {"name": "Q4", "values": [3]}],
    }

    assert as_markdown(chart).splitlines() == [
        "**Revenue**",
        "",
        "| Region | Q1 | Q4 |",
        "| --- | --- | --- |",
        "| South | 1 | 3 |",
        "| West | 2 |  |",
    ]


def test_anything_else_is_json() -> None:
    assert as_markdown({"deleted": 1}) == '```json\n{\n  "deleted": 1\n}\n```'
    assert as_markdown("text") == "text"
