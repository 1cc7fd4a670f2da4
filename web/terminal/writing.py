"""Thoughts and messages that grow, and may be void before they are finished."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from web.terminal.formats import plain_line, shorten
from web.terminal.lines import Item, Line, Look, Text

_THOUGHT_LENGTH = 1_000


@dataclass
class Writing:
    """What is being written. A new attempt may cut it off again where an event began it."""

    is_message: bool
    #: Tells it from another of its kind.
    key: object
    #: Each with the number of its event.
    pieces: list[tuple[int, str]] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "".join(text for _, text in self.pieces)


class Writer:
    """An agent as far as it writes: it holds what is not finished, and hands out what is."""

    def __init__(self) -> None:
        self.current: Writing | None = None
        self._said: list[str] = []
        #: Number of the last event whose text was handed out, which cannot be taken back.
        self._finished_seq = 0

    @property
    def has_spoken(self) -> bool:
        """Whether any message is finished."""
        return bool(self._said)

    @property
    def message(self) -> str:
        """The message that is being written; empty when none is."""
        return self.current.text if self.current is not None and self.current.is_message else ""

    def write(self, seq: int, text: str, *, is_message: bool, key: object) -> Iterator[Item]:
        """Add text to what is being written, or begin something new, which finishes what was there."""
        writing = self.current
        if writing is None or (writing.is_message, writing.key) != (is_message, key):
            yield from self.finish()
            writing = self.current = Writing(is_message, key)
        writing.pieces.append((seq, text))

    def finish(self) -> Iterator[Item]:
        """Hand out what is being written, since something else comes now."""
        writing, self.current = self.current, None
        if writing is None or not writing.text.strip():
            return
        self._finished_seq = writing.pieces[-1][0]
        if writing.is_message:
            self._said.append(writing.text)
            yield Text(writing.text)
        else:
            yield Line(Look.THOUGHT, "Thought", (shorten(plain_line(writing.text), _THOUGHT_LENGTH),))

    def drop(self) -> None:
        """Forget what is being written: it is said elsewhere."""
        self.current = None

    def take_back(self, last_seq: int) -> bool:
        """Make void what was written after an event; answers whether some of it was handed out already."""
        if self.current is not None:
            self.current.pieces = [piece for piece in self.current.pieces if piece[0] <= last_seq]
            self.current = self.current if self.current.pieces else None
        return self._finished_seq > last_seq

    def has_said(self, result: Any) -> bool:
        """Whether the finished messages say already what all came to."""
        text = str(result).strip()
        return any(said.strip() == text for said in [*self._said, "".join(self._said)])
