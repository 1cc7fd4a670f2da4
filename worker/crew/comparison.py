"""Groups side by side: how much each has, and how that changed from the first period to the last. No I/O."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, Literal, NamedTuple

from worker.crew.errors import BadRequest
from worker.crew.periods import Bucket, group_periods
from worker.crew.shapes import rounded

Aggregate = Literal["sum", "average", "count"]

EMPTY = "(empty)"


class Cell(NamedTuple):
    """What the database gives for one group and one raw period value."""

    group: str
    period: str
    total: float
    rows: int


class Change(NamedTuple):
    group: str
    first: float | None
    last: float | None

    @property
    def change(self) -> float:
        return (self.last or 0) - (self.first or 0)

    @property
    def percent(self) -> float | None:
        """In percent of the first period; None when there was nothing."""
        return round(100 * self.change / abs(self.first), 1) if self.first else None


class Comparison(NamedTuple):
    bucket: Bucket
    first: str
    last: str
    #: The periods in between, the first and the last included.
    periods: list[str]
    #: The largest loss first.
    changes: list[Change]


def compare(
    cells: Iterable[Cell], aggregate: Aggregate, *, first: str | None = None, last: str | None = None
) -> Comparison:
    """Compare two periods, by default the first and the last one.

    Raises:
        BadRequest: The values are no periods, there is only one, or the asked ones are not among them.
    """
    cells = list(cells)
    grouping = group_periods(dict.fromkeys(cell.period for cell in cells))
    if grouping is None:
        raise BadRequest("The period column holds values that are no dates, months, quarters or years.")
    before, after = _ends(grouping.order, first, last)
    sums: dict[tuple[str, str], list[Cell]] = defaultdict(list)
    for cell in cells:
        sums[cell.group, grouping.labels[cell.period]].append(cell)
    groups = dict.fromkeys(cell.group for cell in cells)
    changes = [
        Change(group, _value(sums.get((group, before), ()), aggregate), _value(sums.get((group, after), ()), aggregate))
        for group in groups
    ]
    return Comparison(grouping.bucket, before, after, grouping.order, sorted(changes, key=_by_loss))


def _ends(order: Sequence[str], first: str | None, last: str | None) -> tuple[str, str]:
    for asked in (first, last):
        if asked is not None and asked not in order:
            raise BadRequest(f"There is no period {asked!r}; there are: {', '.join(order[:40])}.")
    ends = first or order[0], last or order[-1]
    if ends[0] == ends[1]:
        raise BadRequest(f"There is only one period ({ends[0]}), so nothing can have changed.")
    return ends


def _value(cells: Sequence[Cell], aggregate: Aggregate) -> float | None:
    if not cells:
        return None
    total, count = sum(cell.total for cell in cells), sum(cell.rows for cell in cells)
    values: dict[Aggregate, Any] = {"sum": total, "count": count, "average": total / count if count else None}
    value: float | None = rounded(values[aggregate])
    return value


def _by_loss(change: Change) -> tuple[float, str]:
    return change.change, change.group
