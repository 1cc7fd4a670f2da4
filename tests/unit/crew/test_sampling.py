"""Invented data."""

from __future__ import annotations

import pytest

from worker.crew.comparison import Cell, compare
from worker.crew.sampling import TOPICS, invent, topic_columns


def test_the_same_seed_gives_the_same_rows_and_another_seed_gives_others() -> None:
    columns = ["date", "name", "email", "region", "revenue"]
    assert invent(columns, 30, 7) == invent(columns, 30, 7)
    assert invent(columns, 30, 7) != invent(columns, 30, 8)


@pytest.mark.parametrize(
    ("topic", "column"),
    [("our sales", "revenue"), ("support tickets", "priority"), ("HR people", "salary"), ("xyz", "amount")],
)
def test_a_topic_gets_columns_that_fit(topic: str, column: str) -> None:
    assert column in topic_columns(topic)


@pytest.mark.parametrize("topic", TOPICS)
def test_every_topic_gives_full_rows(topic: str) -> None:
    sample = invent(topic_columns(topic), 50, 1)
    assert len(sample.rows) == 50
    assert all(len(row) == len(sample.columns) and None not in row for row in sample.rows)


def test_sales_have_something_to_find() -> None:
    sample = invent(topic_columns("sales"), 500, 1)
    day, region, revenue = (sample.columns.index(name) for name in ("order_date", "region", "revenue"))
    comparison = compare([Cell(row[region], row[day], row[revenue], 1) for row in sample.rows], "sum")
    assert comparison.changes[0].change < 0 < comparison.changes[-1].change


def test_a_column_of_an_unknown_name_is_filled_too() -> None:
    assert all(isinstance(row[0], str) and row[0] for row in invent(["qwertz"], 5, 1).rows)


def test_revenue_is_units_times_price() -> None:
    sample = invent(["units", "unit_price", "revenue"], 20, 1)
    assert all(row[2] == round(row[0] * row[1], 2) for row in sample.rows)
