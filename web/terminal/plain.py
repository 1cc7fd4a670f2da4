"""A story as plain text: one line a step, no escape codes; for pipes, logs, and terminals that can do no more."""

from __future__ import annotations

from collections.abc import Iterator

from web.terminal.formats import one_line
from web.terminal.lines import Answer, Footer, Item, Line, Printed, Speaker, Text
from web.terminal.text import clean

_INDENT = "  "


class Signs:
    """What lines begin with and what stands between their parts, as the output's encoding allows."""

    def __init__(self, encoding: str) -> None:
        self.is_ascii = not _can_encode("▸✓✗⊘■↻·│»…", encoding)
        self.between = " - " if self.is_ascii else " · "
        self.bar = "| " if self.is_ascii else "│ "
        self.of = " > " if self.is_ascii else " » "

    def of_line(self, line: Line) -> str:
        return line.look.ascii_sign if self.is_ascii else line.look.sign


class PlainWriter:
    """Writes printed items as text."""

    def __init__(self, encoding: str = "utf-8") -> None:
        self._encoding = encoding
        self._signs = Signs(encoding)
        self._speaker = Speaker()

    def write(self, printed: Printed) -> str:
        """Give the text of one item, with the line break at its end."""
        name = self._speaker.name_for(printed)
        lines = self._lines(printed.item, _INDENT * printed.place.depth, name)
        return (
            clean("\n".join(line.rstrip(" ") for line in lines))
            .encode(self._encoding, "replace")
            .decode(self._encoding)
            + "\n"
        )

    def _lines(self, item: Item, indent: str, name: str) -> Iterator[str]:
        match item:
            case Line():
                yield indent + self._line(item, name)
            case Text(markdown=text):
                bar = indent + self._signs.bar
                whole = f"{one_line(clean(name))}: {text.strip()}" if name else text.strip()
                yield from (f"{bar}{line}" for line in clean(whole).split("\n"))
            case Answer(markdown=text):
                yield f"\n{text.strip()}\n"
            case Footer(facts=facts):
                yield one_line(clean(self._signs.between.join(facts)))

    def _line(self, line: Line, name: str) -> str:
        head = f"{name}{self._signs.of}{line.head}" if name else line.head
        parts = filter(None, (head, *line.facts, line.aside))
        text = self._signs.between.join(one_line(clean(part)) for part in parts)
        if line.note:
            text = f"{text}{self._signs.between}{one_line(clean(line.note))}"
        return f"{self._signs.of_line(line)} {text}"


def _can_encode(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except (LookupError, UnicodeEncodeError):
        return False
    return True
