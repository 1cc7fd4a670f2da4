"""Periods: read, put in order, gathered so that like is compared with like."""

from __future__ import annotations

import pytest

from worker.crew.periods import group_periods, missing_months, parse_period


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-03-09", (2024, 1, 3, 9)),
        ("2024-03-09T10:00:00Z", (2024, 1, 3, 9)),
        ("2024-11", (2024, 4, 11, 0)),
        ("2024-Q2", (2024, 2, 0, 0)),
        ("Q2 2024", (2024, 2, 0, 0)),
        ("Q3", (0, 3, 0, 0)),
        ("Mar 2024", (2024, 1, 3, 0)),
        ("2024 September", (2024, 3, 9, 0)),
        ("december", (0, 4, 12, 0)),
        ("2024", (2024, 0, 0, 0)),
    ],
)
def test_a_period_is_read_in_the_ways_that_people_write_it(text: str, expected: tuple[int, ...]) -> None:
    assert parse_period(text) == expected


@pytest.mark.parametrize("text", ["", "North", "12", "2024-13", "31.12.2024", "Q5 2024", "99999"])
def test_anything_else_is_no_period(text: str) -> None:
    assert parse_period(text) is None


def days(*months: str) -> list[str]:
    return [f"{month}-{day:02}" for month in months for day in (3, 17)]


@pytest.mark.parametrize(
    ("values", "bucket", "order"),
    [
        (days("2023-01", "2023-02", "2024-01", "2024-02"), "year", ["2023", "2024"]),
        (days("2024-01", "2024-02", "2024-03", "2024-04", "2024-05", "2024-06"), "quarter", ["2024-Q1", "2024-Q2"]),
        (days("2024-01", "2024-02", "2024-03", "2024-04"), "month", ["2024-01", "2024-02", "2024-03", "2024-04"]),
        (days("2024-01"), "day", ["2024-01-03", "2024-01-17"]),
        (["Q2", "Q1", "Q3"], "value", ["Q1", "Q2", "Q3"]),
        (["Feb", "Jan"], "value", ["Jan", "Feb"]),
        (["2024", "2022"], "value", ["2022", "2024"]),
    ],
)
def test_values_are_gathered_into_the_longest_periods_that_compare_fairly(
    values: list[str], bucket: str, order: list[str]
) -> None:
    grouping = group_periods(values)
    assert grouping is not None
    assert (grouping.bucket, grouping.order) == (bucket, order)


def test_a_year_that_has_only_begun_is_not_compared_with_a_whole_one() -> None:
    whole = [f"2023-{month:02}" for month in range(1, 13)]
    grouping = group_periods([*whole, "2024-01", "2024-02"])
    assert grouping is not None
    assert grouping.bucket == "month"


def test_values_that_are_no_periods_are_not_grouped() -> None:
    assert group_periods(["2024-01", "soon"]) is None
    assert group_periods([]) is None


def test_months_without_data_are_named() -> None:
    assert missing_months(["2023-11-05", "2024-02-01"]) == ["2023-12", "2024-01"]
    assert missing_months(["Q1", "Q3"]) == []
