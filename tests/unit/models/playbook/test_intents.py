"""What a message wants."""

from __future__ import annotations

import pytest

from worker.models.playbook.helpers import sample_arguments
from worker.models.playbook.intents import find_intent, wants_advice


@pytest.mark.parametrize(
    ("message", "name"),
    [
        ("Hello!", "greeting"),
        ("what can you do?", "greeting"),
        ("calculate 3*4", "calculation"),
        ("What is sqrt(16) + 1?", "calculation"),
        ("15% of 80", "calculation"),
        ("calculate the total revenue by region", "question"),
        ("generate sample data about sales", "sample"),
        ("Please make some test data", "sample"),
        ("create 50 rows about customers", "sample"),
        ("fetch https://example.com/a", "page"),
        ("search my documents for refunds", "document"),
        ("list my documents", "document"),
        ("save a note idea.md: sell lamps", "document"),
        ("which region lost most revenue, and what should we do?", "question"),
        ("how did sales in 2024 compare to 2023", "question"),
        ("Hello, which region lost most revenue?", "question"),
    ],
)
def test_a_message_shows_its_intent(message: str, name: str) -> None:
    assert find_intent(message).name == name


@pytest.mark.parametrize(
    ("message", "expression"),
    [
        ("calculate 3*4", "3*4"),
        ("What is (1,200 - 950) / 1200 * 100?", "(1200 - 950) / 1200 * 100"),
        ("15% of 80", "15/100* 80"),
        ("max(1, 200)", "max(1, 200)"),
    ],
)
def test_an_expression_is_taken_out_of_its_sentence(message: str, expression: str) -> None:
    assert find_intent(message).expression == expression


@pytest.mark.parametrize(
    ("message", "advice"),
    [
        ("which region lost most revenue, and what should we do?", True),
        ("How can we improve?", True),
        ("recommend next steps", True),
        ("which region lost most revenue?", False),
    ],
)
def test_a_wish_for_advice_is_recognised(message: str, *, advice: bool) -> None:
    assert wants_advice(message) is advice


@pytest.mark.parametrize(
    ("message", "arguments"),
    [
        ("generate sample data about sales", {"topic": "sales", "rows": 500}),
        ("make 1,000 rows of test data about support tickets", {"topic": "support tickets", "rows": 1000}),
        ("create 99999 rows of data", {"topic": "sales", "rows": 5000}),
        (
            "create 20 rows of sample data with columns city, price and date",
            {"topic": "data", "rows": 20, "columns": ["city", "price", "date"]},
        ),
    ],
)
def test_topic_rows_and_columns_of_sample_data_are_read(message: str, arguments: dict[str, object]) -> None:
    assert sample_arguments(message) == arguments
