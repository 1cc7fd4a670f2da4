"""Every word of a question is used, plain, or reported."""

from __future__ import annotations

import pytest

from worker.models.playbook.columns import Column
from worker.models.playbook.reading import Reading, follow_up, read_question

COLUMNS = [
    Column("month", "text", 9, 0, 9, "2025-01", "2025-09", ""),
    Column("region", "text", 9, 0, 2, "North", "South", "North (5), South (4)"),
    Column("team", "text", 9, 0, 2, "IT", "Sales", "IT (5), Sales (4)"),
    Column("units", "integer", 9, 0, 9, 1, 9, ""),
    Column("revenue", "real", 9, 0, 9, 1.5, 9.5, ""),
]
VALUES = {"region": ["North", "South"], "team": ["IT", "Sales"]}


def read(question: str) -> Reading:
    return read_question(question, COLUMNS, VALUES, "figures")


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("total revenue", Reading("revenue", aggregate="sum")),
        ("top 3 regions by units", Reading("units", "region", end="most", limit=3)),
        ("two worst regions", Reading("", "region", end="least", limit=2)),
        ("revenue by month as a chart", Reading("revenue", grain="month", charted=True)),
        ("which month had most revenue", Reading("revenue", end="most", grain="month", which_period=True)),
        ("compare North and South", Reading(only={"region": ("North", "South")}, compared=True)),
        ("how many regions are there?", Reading("region", aggregate="distinct")),
        ("how many units?", Reading("units", aggregate="sum")),
        ("how many rows in the figures table?", Reading(aggregate="count")),
        ("revenue by region, and what should we do?", Reading("revenue", "region")),
        ("total sales", Reading("revenue", aggregate="sum")),
        ("units of team Sales", Reading("units", "team", only={"team": ("Sales",)})),
        ("is it the units of IT", Reading("units", only={"team": ("IT",)})),
        ("why revenue", Reading("revenue", beside=("why",))),
        ("revenue except North", Reading("revenue", only={"region": ("North",)}, unknown=("except",))),
        ("revenue and units", Reading("revenue", unknown=("unit",))),
        ("revenue,not units", Reading("revenue", unknown=("not", "unit"))),
        ("revenue != North", Reading("revenue", only={"region": ("North",)}, unknown=("!=",))),
        ("revenue außer North", Reading("revenue", only={"region": ("North",)}, unknown=("au", "er", "ß"))),
        ("revenue over 500", Reading("revenue", unknown=("over", "500"))),
    ],
)
def test_a_question_is_read_word_by_word(question: str, expected: Reading) -> None:
    assert read(question) == expected


@pytest.mark.parametrize(
    ("earlier", "later", "expected"),
    [
        ("top 3 regions by revenue", "and by units?", Reading("units", "region", end="most", limit=3)),
        ("revenue by region", "what about by month?", Reading("revenue", grain="month")),
        ("revenue by month", "and by region?", Reading("revenue", "region")),
        ("revenue in North", "only South", Reading("revenue", only={"region": ("South",)})),
        ("revenue in North", "and by region", Reading("revenue", "region")),
        ("how many rows by region", "and revenue?", Reading("revenue", "region")),
        ("revenue not by region", "and units?", Reading("units", "region", unknown=("not",))),
    ],
)
def test_a_follow_up_replaces_what_it_names_and_keeps_the_rest(earlier: str, later: str, expected: Reading) -> None:
    assert follow_up(read(earlier), read(later)) == expected
