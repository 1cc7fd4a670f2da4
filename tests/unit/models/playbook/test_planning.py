"""From a question and a table's columns to what to compute."""

from __future__ import annotations

import pytest

from worker.models.playbook.columns import Column
from worker.models.playbook.planning import Plan, choose_table, make_plan


def column(name: str, kind: str = "text", *, distinct: int = 3, low: object = "a", top: str = "") -> Column:
    return Column(name, kind, 100, 0, distinct, low, low, top)


SALES = [
    column("order_id", "integer", distinct=100, low=1),
    column("order_date", "date", low="2024-01-01"),
    column("region", top="North (60), South (40)"),
    column("product"),
    column("comment", distinct=999),
    column("units", "integer", low=1),
    column("revenue", "real", low=1.5),
]


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        (
            "Which region lost most revenue?",
            Plan("revenue", "region", "order_date", "sum", change=True, ascending=True),
        ),
        ("Which region gained most revenue?", Plan("revenue", "region", "order_date", "sum", change=True)),
        ("Who grew?", Plan("revenue", "region", "order_date", "sum", change=True)),
        ("Revenue by product", Plan("revenue", "product", "order_date")),
        ("average units by region", Plan("units", "region", "order_date", "average")),
        ("How many orders per region?", Plan("", "region", "order_date", "count")),
        ("lowest revenue by product", Plan("revenue", "product", "order_date", ascending=True)),
        ("total revenue", Plan("revenue", "", "order_date")),
        ("revenue in north by product", Plan("revenue", "product", "order_date", only={"region": ("North",)})),
        ("best product", Plan("revenue", "product", "order_date")),
    ],
)
def test_a_question_becomes_a_plan(question: str, expected: Plan) -> None:
    assert make_plan(question, SALES) == expected


@pytest.mark.parametrize(
    ("question", "missing"),
    [
        ("profit by region", "a column of numbers for profit"),
        ("revenue by customer", "a column for customer"),
    ],
)
def test_what_the_table_lacks_is_said(question: str, missing: str) -> None:
    assert make_plan(question, SALES).missing == missing


def test_a_change_needs_a_date() -> None:
    undated = [entry for entry in SALES if entry.name != "order_date"]
    assert make_plan("which region lost most revenue?", undated).missing == "a date column, to see a change over time"


def test_the_table_that_shares_words_with_the_question_is_chosen_else_the_newest() -> None:
    tables = [["sales", 5, "region (text), revenue (real)", "s.csv"], ["people", 5, "name (text)", "p.csv"]]
    assert choose_table("revenue by region", tables) == "sales"
    assert choose_table("anything", tables) == "people"
