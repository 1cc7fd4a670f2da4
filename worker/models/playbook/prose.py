"""Reading and writing the Markdown that the scripts hand to each other. No I/O."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

#: Said once in every answer to a person.
SIGNATURE = (
    "_Written by the built-in offline model: fixed rules on real tool results, without any understanding of language. "
    "Set a model key for more._"
)
#: The beginning of an answer of `data` that could not be given; see `worker.crew.agents`.
INSUFFICIENT = "INSUFFICIENT DATA:"

_SOURCE = re.compile(
    r"^Source: table (?P<table>.+), dimension (?P<dimension>.+), measure (?P<measure>.+), period (?P<period>.+)$",
    re.MULTILINE,
)
_MAX_CELL = 200


class Source(NamedTuple):
    """Which columns findings rest on; `period` is None when there is none."""

    table: str
    dimension: str
    measure: str
    period: str | None


def signed(text: str) -> str:
    """End an answer with the honest sentence."""
    return text if SIGNATURE in text else f"{text.rstrip()}\n\n{SIGNATURE}"


def number(value: Any) -> str:
    """A number as people write it: `1,234.5`; a dash for none."""
    if not isinstance(value, int | float):
        return "–" if value is None else str(value)  # noqa: RUF001 - a dash
    return f"{value:,.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else f"{value:,}"


def signed_number(value: float) -> str:
    """A change as people write it: `+1,234.5`, `-20`."""
    return f"+{number(value)}" if value > 0 else number(value)


def markdown_table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Write a table; numbers stand to the right."""
    aligned = ["---:" if rows and isinstance(rows[0][place], int | float) else "---" for place in range(len(columns))]
    lines = [_line(columns), _line(aligned), *(_line([number(cell) for cell in row]) for row in rows)]
    return "\n".join(lines)


def compose(question: str, sections: Mapping[str, str]) -> str:
    """Write a task for a delegate: the question, then sections under their headings."""
    parts = (f"## {title}\n{text.strip()}" for title, text in sections.items() if text.strip())
    return "\n\n".join([question.strip(), *parts])


def sections(task: str) -> dict[str, str]:
    """Read what `compose` wrote; the question is under the empty title."""
    pieces = re.split(r"^## (Findings|Options|Actions)\n", task, flags=re.MULTILINE)
    found = {"": pieces[0].strip()}
    for title, text in zip(pieces[1::2], pieces[2::2], strict=True):
        found[title] = text.strip()
    return found


def question_of(task: str) -> str:
    """The user's question in a task."""
    return sections(task)[""] or task


def source_line(source: Source) -> str:
    return (
        f"Source: table {source.table}, dimension {source.dimension}, measure {source.measure}, "
        f"period {source.period or 'none'}"
    )


def find_source(text: str) -> Source | None:
    """Read the line that `source_line` wrote; None when there is none."""
    found = _SOURCE.search(text)
    if found is None:
        return None
    table, dimension, measure, period = (part.strip().strip("`") for part in found.groups())
    return Source(table, dimension, measure, None if period == "none" else period)


def without_source(text: str) -> str:
    return _SOURCE.sub("", text).strip()


def _line(cells: Sequence[str]) -> str:
    shown = (cell[:_MAX_CELL].replace("|", "\\|").replace("\n", " ") for cell in cells)
    return f"| {' | '.join(shown)} |"
