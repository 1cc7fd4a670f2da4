"""Periods in data: `2024-03-01`, `2024-03`, `Q1 2024`, `Mar 2024`, `2024`, `March` … in order, and grouped. No I/O."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

Bucket = Literal["year", "quarter", "month", "day", "value"]

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = r"(?P<name>jan|feb|mar|apr|may|jun|jul|aug|sept?|oct|nov|dec)[a-z]*\.?"
_YEAR = r"(?P<year>(?:19|20)\d\d)"

#: How a period can be written; the first pattern that fits is taken.
_FORMS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"{_YEAR}-(?P<month>\d\d)-(?P<day>\d\d)(?:[T ].*)?",
        rf"{_YEAR}[-/.](?P<month>\d{{1,2}})",
        rf"{_YEAR}[-/ ]?q(?P<quarter>[1-4])",
        rf"q(?P<quarter>[1-4])(?:[-/ ]?{_YEAR})?",
        rf"{_MONTH}[-/ ]{_YEAR}",
        rf"{_YEAR}[-/ ]{_MONTH}",
        _YEAR,
        _MONTH,
    )
)


class Period(NamedTuple):
    """A point in time as far as it is known; 0 where it is not. Sorts in time order."""

    year: int
    quarter: int
    month: int
    day: int


class Grouping(NamedTuple):
    """How raw values are gathered into periods."""

    bucket: Bucket
    #: Raw value to the label of its period.
    labels: Mapping[str, str]
    #: The labels in time order.
    order: list[str]


def parse_period(text: str) -> Period | None:
    """Read a period; None when it is none."""
    for form in _FORMS:
        if found := form.fullmatch(text.strip()):
            return _period(found.groupdict())
    return None


def group_periods(values: Iterable[str]) -> Grouping | None:
    """Gather values into the longest periods that can be compared fairly; None when a value is no period.

    Years are compared only if the first and the last cover the same months, quarters only if they cover as many;
    else a part of a year would look like a loss.
    """
    periods = {value: parse_period(value) for value in values}
    known = {value: period for value, period in periods.items() if period}
    if not known or len(known) < len(periods):
        return None
    bucket = _choose_bucket(list(known.values()))
    label = _LABELS[bucket]
    labels = {value: label(period) if label else value for value, period in known.items()}
    order = list(dict.fromkeys(labels[value] for value in sorted(known, key=lambda value: known[value])))
    return Grouping(bucket, labels, order)


def missing_months(values: Iterable[str]) -> list[str]:
    """Months between the first and the last that no value falls into; empty when the values have no months."""
    periods = [parse_period(value) for value in values]
    months = {period.year * 12 + period.month - 1 for period in periods if period and period.year and period.month}
    if not months:
        return []
    return [f"{index // 12}-{index % 12 + 1:02}" for index in range(min(months), max(months)) if index not in months]


def _period(parts: Mapping[str, str | None]) -> Period | None:
    name = parts.get("name")
    month = _MONTHS.index(name[:3].lower()) + 1 if name else int(parts.get("month") or 0)
    if month > 12:
        return None
    quarter = int(parts.get("quarter") or 0) or (month + 2) // 3
    return Period(int(parts.get("year") or 0), quarter, month, int(parts.get("day") or 0))


def _choose_bucket(periods: Sequence[Period]) -> Bucket:
    if not all(period.year and period.month for period in periods):
        return "value"
    for bucket, compare in _FAIR:
        if _has_two(periods, _LABELS[bucket]) and compare(periods):
            return bucket
    if _has_two(periods, _month_label):
        return "month"
    return "day" if all(period.day for period in periods) else "month"


def _has_two(periods: Sequence[Period], label: Callable[[Period], str] | None) -> bool:
    return label is not None and len({label(period) for period in periods}) > 1


def _same_months(periods: Sequence[Period]) -> bool:
    first, last = min(periods).year, max(periods).year
    return {period.month for period in periods if period.year == first} == {
        period.month for period in periods if period.year == last
    }


def _as_many_months(periods: Sequence[Period]) -> bool:
    first, last = min(periods)[:2], max(periods)[:2]
    return len({period.month for period in periods if period[:2] == first}) == len(
        {period.month for period in periods if period[:2] == last}
    )


def _month_label(period: Period) -> str:
    return f"{period.year}-{period.month:02}"


#: The long buckets, and when their first and last period can be compared.
_FAIR: tuple[tuple[Bucket, Callable[[Sequence[Period]], bool]], ...] = (
    ("year", _same_months),
    ("quarter", _as_many_months),
)
_LABELS: Mapping[Bucket, Callable[[Period], str] | None] = {
    "year": lambda period: str(period.year),
    "quarter": lambda period: f"{period.year}-Q{period.quarter}",
    "month": _month_label,
    "day": lambda period: f"{_month_label(period)}-{period.day:02}",
    "value": None,
}
