"""Periods that a question names, `March 2025`, `Q1`, `2025-03`, and which values of a column they cover. No I/O."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from worker.crew.periods import Period, parse_period

_NAMES = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
#: "may" and "mar" are words too: in lower case, "may" is a month only after a word that stands before months.
_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?"
    r"|(?:(?-i:May)(?! (?:I|we|you)\b)|(?<=\bin )may|(?<=\bof )may|(?<=\bto )may)"
    r"|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)"
)
_YEAR = r"(?:19|20)\d\d"
_SPAN = re.compile(
    rf"(?:\b(?:the )?(?:year|month|quarter)(?: of)? )?\b(?P<span>{_YEAR}-\d\d-\d\d|{_YEAR}[-/]\d\d?|{_YEAR}[- ]?q[1-4]"
    rf"|q[1-4](?:[- ]?(?:of )?{_YEAR})?|{_MONTH}(?:,? (?:of )?{_YEAR})?|{_YEAR} {_MONTH}|{_YEAR})\b",
    re.IGNORECASE,
)
_TO = re.compile(r"\s*(?:to|until|till|through|-|–)\s*", re.IGNORECASE)  # noqa: RUF001 - a dash
_BETWEEN = re.compile(r"\bbetween\s*$", re.IGNORECASE)


class Spans(NamedTuple):
    """The periods of a question, in its order."""

    periods: tuple[Period, ...] = ()
    #: From the first to the second, rather than each of them.
    ranged: bool = False


def take_spans(text: str) -> tuple[Spans, str]:
    """Find the periods of a question, and what is left of it without them."""
    found = list(_SPAN.finditer(text))
    periods = [parse_period(re.sub(r",|\bof\b ?", "", match["span"])) for match in found]
    known = tuple(period for period in periods if period)
    if len(known) < len(found) or any(period.day for period in known):
        # Left in the text, where it counts as not understood: a single day, or a thirteenth month.
        return Spans(), text
    if len(found) != 2:
        return Spans(known), _SPAN.sub(" ", text)
    before, between = text[: found[0].start()], text[found[0].end() : found[1].start()]
    if _BETWEEN.search(before) and between.strip().lower() == "and":
        return Spans(_with_years(known), ranged=True), _SPAN.sub(" ", _BETWEEN.sub(" ", before) + text[len(before) :])
    if _TO.fullmatch(between):
        return Spans(_with_years(known), ranged=True), f"{before} {text[found[1].end() :]}"
    return Spans(_with_years(known)), _SPAN.sub(" ", text)


def covered(spans: Spans, values: Iterable[str]) -> Mapping[str, list[str]]:
    """The values that lie in each span, under the span's name and in the order of time; a range is one span.

    A span that covers no value has an empty list.
    """
    periods = {value: period for value in values if (period := parse_period(value))}
    if spans.ranged:
        first, last = spans.periods
        inside = [value for value, period in periods.items() if _between(first, last, period)]
        return {f"{span_name(first)} to {span_name(last)}": sorted(inside)}
    return {
        span_name(span): sorted(value for value, period in periods.items() if _covers(span, period))
        for span in sorted(spans.periods)
    }


def span_name(span: Period) -> str:
    """A span as people read it: `2025-03`, `2025-Q1`, `2025`, `March`, `Q1`."""
    if not span.year:
        return _NAMES[span.month - 1] if span.month else f"Q{span.quarter}"
    if span.month:
        return f"{span.year}-{span.month:02}"
    return f"{span.year}-Q{span.quarter}" if span.quarter else str(span.year)


def _with_years(spans: Sequence[Period]) -> tuple[Period, ...]:
    """Give a period without a year that of the other: `January to March 2025`."""
    year = max(span.year for span in spans)
    return tuple(span._replace(year=span.year or year) for span in spans)


def _covers(span: Period, period: Period) -> bool:
    return all(not asked or asked == there for asked, there in zip(span, period, strict=True))


def _between(first: Period, last: Period, period: Period) -> bool:
    def month(span: Period, *, end: bool) -> tuple[int, int]:
        ends = (span.month, span.quarter * 3, 12) if end else (span.month, span.quarter * 3 - 2, 1)
        place = ends[0] if span.month else ends[1] if span.quarter else ends[2]
        return (span.year if first.year else 0, place)

    begins, closes = month(period, end=False), month(period, end=True)
    return month(first, end=False) <= begins and closes <= month(last, end=True)
