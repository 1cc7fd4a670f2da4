"""Groups compared between two periods."""

from __future__ import annotations

import pytest

from worker.crew.comparison import Cell, Change, compare
from worker.crew.errors import BadRequest

CELLS = [
    Cell("North", "2024-01", 100, 2),
    Cell("North", "2024-02", 150, 3),
    Cell("South", "2024-01", 80, 1),
    Cell("South", "2024-02", 20, 2),
    Cell("West", "2024-02", 5, 1),
]


def test_the_largest_loss_comes_first() -> None:
    comparison = compare(CELLS, "sum")
    assert (comparison.first, comparison.last) == ("2024-01", "2024-02")
    assert comparison.changes == [Change("South", 80, 20), Change("West", None, 5), Change("North", 100, 150)]
    assert [change.percent for change in comparison.changes] == [-75.0, None, 50.0]


def test_averages_and_counts_are_made_from_the_rows_behind_them() -> None:
    averages = {change.group: (change.first, change.last) for change in compare(CELLS, "average").changes}
    assert averages["South"] == (80, 10)
    counts = {change.group: (change.first, change.last) for change in compare(CELLS, "count").changes}
    assert counts["North"] == (2, 3)


def test_other_periods_can_be_asked_for() -> None:
    cells = [Cell("North", f"2024-0{month}", month, 1) for month in (1, 2, 4)]
    comparison = compare(cells, "sum", first="2024-02", last="2024-04")
    assert comparison.changes == [Change("North", 2, 4)]
    with pytest.raises(BadRequest, match="no period '2023'; there are: 2024-01, 2024-02, 2024-04"):
        compare(cells, "sum", first="2023")


@pytest.mark.parametrize(("period", "message"), [("soon", "no dates"), ("2024-01", "only one period")])
def test_what_cannot_be_compared_is_said(period: str, message: str) -> None:
    with pytest.raises(BadRequest, match=message):
        compare([Cell("North", period, 1, 1)], "sum")
