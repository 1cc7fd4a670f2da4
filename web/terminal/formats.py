"""Numbers, sizes, durations and lines for people, as the page writes them (`web/static/js/helpers/format.js`)."""

from __future__ import annotations

import re

#: Below these many milliseconds a duration is given in ms, and below these with a tenth of a second.
_MS_BELOW, _TENTHS_BELOW = 100, 9_950

_EMPHASIS = re.compile(r"\*\*|`")
_FORM = re.compile(r"^\s*#+\s+|\s#{1,6}\s|\|(?:\s*:?-+:?\s*\|)*", re.MULTILINE)


def format_number(value: float) -> str:
    """412380 becomes 412,380."""
    if isinstance(value, int):
        return f"{value:,}"
    text = f"{value:,.6f}"
    return text.rstrip("0").rstrip(".")


def count(number: int, noun: str) -> str:
    """1 tool call, 3 tool calls."""
    return f"{format_number(number)} {noun}{'' if number == 1 else 's'}"


def format_bytes(size: float) -> str:
    """Size in decimal units."""
    units = ("B", "KB", "MB", "GB")
    unit = 0
    while size >= 1_000 and unit < len(units) - 1:
        size /= 1_000
        unit += 1
    return f"{size:.0f} {units[unit]}" if size >= 10 or unit == 0 else f"{size:.1f} {units[unit]}"


def format_duration(ms: float) -> str:
    """7 ms · 0.4 s · 12 s · 3 min 5 s."""
    if ms < _MS_BELOW:
        return f"{max(0, round(ms))} ms"
    if ms < _TENTHS_BELOW:
        return f"{ms / 1_000:.1f} s"
    return _whole_seconds(round(ms / 1_000))


def format_running(seconds: float) -> str:
    """Whole seconds, for a duration that is still growing."""
    return _whole_seconds(max(0, int(seconds)))


def plain_line(text: str) -> str:
    """Markdown as one plain line: what agents write to each other, where there is no room for its form."""
    return one_line(_FORM.sub(" ", _EMPHASIS.sub("", text)))


def one_line(text: str) -> str:
    """All white space as single spaces."""
    return " ".join(text.split())


def shorten(text: str, length: int) -> str:
    """One line of at most `length` characters."""
    line = one_line(text)
    return line if len(line) <= length else f"{line[: length - 1].rstrip()}…"


def _whole_seconds(seconds: int) -> str:
    minutes, rest = divmod(seconds, 60)
    if minutes == 0:
        return f"{rest} s"
    return f"{minutes} min {rest} s" if rest else f"{minutes} min"
