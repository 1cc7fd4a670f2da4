"""Finds out what separates the cells of a CSV text, from its first lines. No I/O."""

from __future__ import annotations

import csv
from typing import NamedTuple

#: In order of preference when the text does not decide.
DELIMITERS = (",", ";", "\t", "|")
_SAMPLE_ROWS = 30


class Fit(NamedTuple):
    """How well a delimiter explains the sample; the greater tuple is the better."""

    #: Share of the rows that have as many cells as the header.
    agreement: float
    columns: int


def choose_delimiter(sample: str) -> str:
    """Choose by the first lines: the delimiter under which most rows have as many cells as the header, then most cells.

    A text with one column has none; the comma then is as good as any.
    """
    best, best_fit = DELIMITERS[0], Fit(0.0, 1)
    for delimiter in DELIMITERS:
        fit = _fit(sample, delimiter)
        if fit.columns > 1 and fit > best_fit:
            best, best_fit = delimiter, fit
    return best


def widest(sample: str) -> int:
    """Say how many cells the sample would have in one row at most, without splitting it."""
    return max(sample.count(delimiter) for delimiter in DELIMITERS) + 1


def _fit(sample: str, delimiter: str) -> Fit:
    rows = _rows(sample, delimiter)
    if not rows:
        return Fit(0.0, 1)
    columns = len(rows[0])
    return Fit(sum(len(row) == columns for row in rows) / len(rows), columns)


def _rows(sample: str, delimiter: str) -> list[list[str]]:
    lines = sample.splitlines(keepends=True)[:_SAMPLE_ROWS]
    # The sample may end in the middle of a line.
    if len(lines) > 1 and not lines[-1].endswith(("\n", "\r")):
        del lines[-1]
    try:
        return [row for row in csv.reader(lines, delimiter=delimiter) if row]
    except csv.Error:
        return []
