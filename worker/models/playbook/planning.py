"""From a question and the statistics of a table to what to compute. No I/O."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from worker.crew.periods import parse_period
from worker.crew.wording import (
    CONCEPTS,
    GAIN_WORDS,
    LOSS_WORDS,
    asks_about_change,
    match_column,
    unmatched_concepts,
    words,
)

#: More groups than this are no groups, but names.
_MAX_GROUPS = 200
_COUNTING = re.compile(r"\bhow many\b|\bnumber of\b|\bcount\b", re.IGNORECASE)
_AVERAGE = re.compile(r"\baverage\b|\bmean\b|\bavg\b|\bper (?:order|customer|unit)\b", re.IGNORECASE)
_SMALLEST = re.compile(r"\b(?:least|lowest|smallest|fewest|worst|minimum|bottom)\b", re.IGNORECASE)
_ONE_OF_MANY = re.compile(r"\b(?:which|who|where)\b", re.IGNORECASE)
_TOP_VALUE = re.compile(r"(.+?) \(\d+\)(?:, |$)")
_TIME_WORDS = frozenset({"date", "day", "week", "month", "quarter", "year", "time", "period"})


class Column(NamedTuple):
    """A line of `describe_table` as far as it is needed here."""

    name: str
    type: str
    filled: int
    empty: int
    distinct: int
    min: Any
    max: Any
    top: str

    @property
    def is_period(self) -> bool:
        named = self.type == "date" or bool(_TIME_WORDS & set(words(self.name)))
        return named and parse_period(str(self.min)) is not None and parse_period(str(self.max)) is not None

    @property
    def is_measure(self) -> bool:
        is_code = "id" in words(self.name) or self.is_period
        return self.type in ("integer", "real") and not is_code

    @property
    def is_dimension(self) -> bool:
        return self.type in ("text", "boolean") and not self.is_period and 1 <= self.distinct <= _MAX_GROUPS


class Plan(NamedTuple):
    """What to compute; `missing` says why nothing can be."""

    measure: str = ""
    dimension: str = ""
    period: str = ""
    aggregate: str = "sum"
    #: Whether the answer is a change between two periods.
    change: bool = False
    #: Losses, or the smallest value, first.
    ascending: bool = False
    only: dict[str, str] | None = None
    missing: str = ""


def read_columns(described: dict[str, Any]) -> list[Column]:
    """Read the result of `describe_table`."""
    rows = [dict(zip(described["columns"], row, strict=True)) for row in described["rows"]]
    return [
        Column(
            row["column"], row["type"], row["filled"], row["empty"], row["distinct"], row["min"], row["max"], row["top"]
        )
        for row in rows
    ]


def choose_table(question: str, tables: Sequence[Sequence[Any]]) -> str:
    """Choose from the rows of `list_tables`: the one that shares most words with the question, else the newest."""
    asked = set(words(question))

    def shared(place: int) -> tuple[int, int]:
        name, _, columns, _ = tables[place]
        return len(asked & set(words(f"{name} {columns}"))), place

    return str(tables[max(range(len(tables)), key=shared)][0])


def make_plan(question: str, columns: Sequence[Column]) -> Plan:
    """Decide what to compute."""
    measures = [column.name for column in columns if column.is_measure]
    dimensions = [column.name for column in columns if column.is_dimension]
    periods = [column.name for column in columns if column.is_period]
    counting = bool(_COUNTING.search(question))
    if missing := _missing(question, columns, measures, dimensions, counting=counting):
        return Plan(missing=missing)
    counting = counting or not measures
    only = _only(question, columns)
    change = asks_about_change(question)
    if change and not periods:
        return Plan(missing="a date column, to see a change over time")
    free = [name for name in dimensions if name not in only]
    dimension = match_column(question, free, "dimension")
    if change and dimension is None and _ONE_OF_MANY.search(question):
        dimension = free[0] if free else None
    return Plan(
        measure="" if counting else match_column(question, measures, "measure") or _usual_measure(measures),
        dimension=dimension or "",
        period=(match_column(question, periods, "period") or periods[0]) if periods else "",
        aggregate="count" if counting else "average" if _AVERAGE.search(question) else "sum",
        change=change,
        ascending=_ascending(question, change=change),
        only=only or None,
    )


def _missing(
    question: str, columns: Sequence[Column], measures: list[str], dimensions: list[str], *, counting: bool
) -> str:
    lacking = unmatched_concepts(question, measures, "measure")
    if lacking and not counting and not _any_match(question, measures):
        return f"a column of numbers for {lacking[0]}"
    names = [column.name for column in columns]
    lacking = unmatched_concepts(question, names, "dimension")
    return f"a column for {lacking[0]}" if lacking and not _any_match(question, dimensions) else ""


def _usual_measure(measures: list[str]) -> str:
    """What people mean when they name no measure: revenue rather than a number of units."""
    for concept in CONCEPTS.values():
        for name in measures:
            if concept.role == "measure" and concept.words & set(words(name)):
                return name
    return measures[0]


def _any_match(question: str, names: list[str]) -> bool:
    asked = set(words(question))
    return any(asked & set(words(name)) for name in names)


def _only(question: str, columns: Sequence[Column]) -> dict[str, str]:
    """Values of columns that the question names, such as North."""
    found = {}
    for column in columns:
        if column.is_dimension and column.type == "text":
            for value in _TOP_VALUE.findall(column.top):
                if len(value) > 2 and re.search(rf"\b{re.escape(value)}\b", question, re.IGNORECASE):
                    found[column.name] = value
    return found


def _ascending(question: str, *, change: bool) -> bool:
    if change:
        asked = words(question)
        loss = next((place for place, word in enumerate(asked) if word in LOSS_WORDS), None)
        gain = next((place for place, word in enumerate(asked) if word in GAIN_WORDS), None)
        return gain is None or (loss is not None and loss < gain)
    return bool(_SMALLEST.search(question))
