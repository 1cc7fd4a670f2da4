"""From the text of a CSV column to typed values. No I/O."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Literal, NamedTuple

ColumnType = Literal["integer", "real", "date", "boolean", "text"]
Cell = int | float | str | None

#: Texts that mean "no value" among numbers. Among words they are kept: NA may be Namibia.
NO_NUMBER = frozenset({"na", "n/a", "nan", "null", "none", "-", "--", "?", "#n/a"})

_WHOLE = r"(?:0|[1-9]\d{0,14})"
_COMMAS = r"(?:0|[1-9]\d{0,2}(?:,\d{3}){1,4}|[1-9]\d{0,14})"
_POINTS = r"(?:0|[1-9]\d{0,2}(?:\.\d{3}){1,4}|[1-9]\d{0,14})"
_DAY = r"(?:0[1-9]|[12]\d|3[01])"
_TIME = r"[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:?\d\d)?"


class CellFormat(NamedTuple):
    type: ColumnType
    pattern: re.Pattern[str]
    convert: Callable[[str], Cell]

    @property
    def is_number(self) -> bool:
        return self.type in ("integer", "real")


def _grouped(text: str) -> float:
    return float(re.sub(r"[^\d.+-]", "", text))


def _continental(text: str) -> float:
    return float(re.sub(r"[^\d,+-]", "", text).replace(",", "."))


#: Tried in this order; the first that fits every value of a column is the column's. Numbers with leading zeros are
#: codes, and whole numbers longer than 18 digits are too: both stay text.
FORMATS = (
    CellFormat("integer", re.compile(r"[+-]?(?:0|[1-9]\d{0,17})"), int),
    CellFormat("real", re.compile(rf"[+-]?(?:{_WHOLE}(?:\.\d{{0,30}})?|\.\d{{1,30}})(?:[eE][+-]?\d{{1,2}})?"), float),
    CellFormat("real", re.compile(rf"[+-]?[$€£¥]?\s?{_COMMAS}(?:\.\d{{1,30}})?"), _grouped),
    CellFormat("real", re.compile(rf"[+-]?{_POINTS}(?:,\d{{1,30}})?\s?[$€£¥]?"), _continental),
    CellFormat("date", re.compile(rf"\d{{4}}-(?:0[1-9]|1[0-2])(?:-{_DAY}(?:{_TIME})?)?"), str),
    CellFormat("boolean", re.compile(r"(?i:true|false|yes|no)"), str),
)
TEXT = CellFormat("text", re.compile(r"(?s:.*)"), str)


def infer_formats(rows: Iterable[Sequence[str]], width: int) -> list[CellFormat]:
    """Find the format of each of `width` columns; one without any value is text. Reads all rows once."""
    possible: list[list[CellFormat]] = [list(FORMATS) for _ in range(width)]
    filled = [False] * width
    for row in rows:
        for index, raw in enumerate(row[:width]):
            text = raw.strip()
            if text and possible[index]:
                possible[index] = [candidate for candidate in possible[index] if _fits(candidate, text)]
                filled[index] = filled[index] or text.lower() not in NO_NUMBER
    return [formats[0] if formats and known else TEXT for formats, known in zip(possible, filled, strict=True)]


def convert(formats: Sequence[CellFormat], row: Sequence[str]) -> list[Cell]:
    """Convert one row; a missing or empty cell is None, cells beyond the last column are dropped."""
    return [_cell(found, row[index] if index < len(row) else "") for index, found in enumerate(formats)]


def _fits(candidate: CellFormat, text: str) -> bool:
    if candidate.is_number and text.lower() in NO_NUMBER:
        return True
    return candidate.pattern.fullmatch(text) is not None


def _cell(found: CellFormat, raw: str) -> Cell:
    text = raw.strip()
    if not text or (found.is_number and text.lower() in NO_NUMBER):
        return None
    return found.convert(text)
