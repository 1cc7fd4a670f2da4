"""The columns of a table as `describe_table` tells them. No I/O."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from worker.crew.periods import parse_period
from worker.crew.wording import words

#: More groups than this are no groups, but names.
MAX_GROUPS = 200
_TOP_VALUE = re.compile(r"(.+?) \(\d+\)(?:, |$)")
_TIME_WORDS = frozenset({"date", "day", "week", "month", "quarter", "year", "time", "period"})
_ISO_MONTH = re.compile(r"\d{4}-\d\d(?:-\d\d.*)?")


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
        return self.type in ("text", "boolean") and not self.is_period and 1 <= self.distinct <= MAX_GROUPS

    @property
    def has_months(self) -> bool:
        """Whether its values begin like `2025-03`, so that months can be cut out of them."""
        return all(_ISO_MONTH.fullmatch(str(value)) for value in (self.min, self.max))

    @property
    def grain(self) -> str:
        """How fine a period column is: day, month, quarter or year."""
        period = parse_period(str(self.min))
        if period is None:
            return ""
        return "day" if period.day else "month" if period.month else "quarter" if period.quarter else "year"

    @property
    def top_values(self) -> list[str]:
        return _TOP_VALUE.findall(self.top) if self.type == "text" else []


def read_columns(described: dict[str, Any]) -> list[Column]:
    """Read the result of `describe_table`."""
    rows = [dict(zip(described["columns"], row, strict=True)) for row in described["rows"]]
    return [
        Column(
            row["column"], row["type"], row["filled"], row["empty"], row["distinct"], row["min"], row["max"], row["top"]
        )
        for row in rows
    ]
