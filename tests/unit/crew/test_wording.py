"""Which column a question means."""

from __future__ import annotations

import pytest

from worker.crew.wording import Role, asks_about_change, match_column, unmatched_concepts, words

NUMBERS = ["units", "unit_price", "total_sales"]
OTHERS = ["order_date", "sales_region", "productName"]
COLUMNS = OTHERS + NUMBERS


def test_words_are_split_at_humps_and_underscores_and_made_singular() -> None:
    assert words("OrderDates by sales_region, categories & status!") == [
        "order",
        "date",
        "by",
        "sale",
        "region",
        "category",
        "status",
    ]


@pytest.mark.parametrize(
    ("question", "role", "column"),
    [
        ("Who lost most revenue?", "measure", "total_sales"),
        ("How many units did we sell?", "measure", "units"),
        ("average unit price by product", "measure", "unit_price"),
        ("Which region lost most revenue?", "dimension", "sales_region"),
        ("Which countries are best?", "dimension", "sales_region"),
        ("best products", "dimension", "productName"),
        ("Tell me a joke", "measure", None),
    ],
)
def test_a_question_finds_its_column(question: str, role: Role, column: str | None) -> None:
    assert match_column(question, NUMBERS if role == "measure" else OTHERS, role) == column


def test_what_no_column_stands_for_is_named() -> None:
    assert unmatched_concepts("profit by customer", COLUMNS, "measure") == ["profit"]
    assert unmatched_concepts("revenue by customer", COLUMNS, "dimension") == ["customer"]
    assert unmatched_concepts("revenue by region", COLUMNS, "dimension") == []


def test_questions_about_change_are_recognised() -> None:
    assert asks_about_change("which region lost most revenue")
    assert asks_about_change("sales growth by product")
    assert not asks_about_change("which region has most revenue")
