"""Periods that a question names."""

from __future__ import annotations

import pytest

from worker.models.playbook.spans import covered, take_spans

MONTHS = [f"{year}-{month:02}" for year in (2024, 2025) for month in range(1, 13)]


@pytest.mark.parametrize(
    ("question", "first", "last", "number"),
    [
        ("revenue in March 2025", "2025-03", "2025-03", 1),
        ("revenue in 2025-03", "2025-03", "2025-03", 1),
        ("revenue in may 2025", "2025-05", "2025-05", 1),
        ("revenue in Q1 of 2025", "2025-01", "2025-03", 3),
        ("revenue in the year 2024", "2024-01", "2024-12", 12),
        ("revenue in March", "2024-03", "2025-03", 2),
        ("revenue from November 2024 to Feb 2025", "2024-11", "2025-02", 4),
        ("revenue between April and Q3 2025", "2025-04", "2025-09", 6),
        ("revenue in March 2031", "", "", 0),
    ],
)
def test_a_span_covers_its_values(question: str, first: str, last: str, number: int) -> None:
    spans, rest = take_spans(question)
    [values] = covered(spans, MONTHS).values()
    assert (values[:1], values[-1:], len(values)) == ([first] if first else [], [last] if last else [], number)
    assert "revenue" in rest
    assert not any(character.isdigit() for character in rest)


def test_spans_are_told_apart_and_put_in_the_order_of_time() -> None:
    spans, _ = take_spans("compare March 2025 with January")
    assert covered(spans, MONTHS) == {"2025-01": ["2025-01"], "2025-03": ["2025-03"]}


def test_a_span_finer_than_the_values_covers_none() -> None:
    spans, _ = take_spans("revenue in March 2025")
    assert covered(spans, ["2024", "2025"]) == {"2025-03": []}


@pytest.mark.parametrize("question", ["revenue on 2025-03-15", "May I see the revenue?", "marching on", "it may rain"])
def test_what_is_no_span_stays_in_the_text(question: str) -> None:
    spans, rest = take_spans(question)
    assert spans.periods == ()
    assert rest == question
