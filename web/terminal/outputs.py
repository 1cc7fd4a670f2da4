"""Where a followed run is shown: as plain text, as the events themselves, or as the answer alone.

What is said about the run goes to the standard output and depends on its events only. What is said about the way here
(a connection that was lost, how to decide) goes to the standard error.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Protocol, TextIO

import msgspec

from web.terminal.lines import Answer, Line, Printed
from web.terminal.plain import PlainWriter
from web.terminal.telling import Teller
from web.terminal.text import clean, escape_unseen
from web.terminal.words import LOST


class Output(Protocol):
    """Shows one run."""

    def show(self, raw: bytes, printed: Sequence[Printed], teller: Teller) -> None:
        """Show an event: as it came, what it comes to, and the story behind it."""

    def restart(self, run_id: str, reason: str, cursor: str) -> None:
        """Forget the run's story: it is told anew."""

    def gone(self, run_id: str) -> None:
        """Say that the server has lost the run."""

    def note(self, text: str) -> None:
        """Say something that is no part of the story."""

    def hint(self, text: str) -> None:
        """Say something that may be of use, and is not missed if it is not said."""

    def paused(self) -> contextlib.AbstractContextManager[None]:
        """Keep still while a person is asked."""

    def close(self) -> None:
        """Leave the terminal as it was."""


class _Streams:
    """What the outputs without a screen share."""

    def __init__(self, out: TextIO, err: TextIO) -> None:
        self._out = out
        self._err = err

    def note(self, text: str) -> None:
        self._err.write(f"{clean(text)}\n")
        self._err.flush()

    def hint(self, text: str) -> None:
        self.note(text)

    def paused(self) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()

    def close(self) -> None:
        self._out.flush()

    def _write(self, text: str) -> None:
        self._out.write(text)
        self._out.flush()


class PlainOutput(_Streams):
    """One line a step."""

    def __init__(self, out: TextIO, err: TextIO) -> None:
        super().__init__(out, err)
        self._writer = PlainWriter(out.encoding or "utf-8")

    def show(self, raw: bytes, printed: Sequence[Printed], teller: Teller) -> None:
        if text := "".join(map(self._writer.write, printed)):
            self._write(text)

    def restart(self, run_id: str, reason: str, cursor: str) -> None:
        self._writer = PlainWriter(self._out.encoding or "utf-8")
        self.note(restart_words(reason))

    def gone(self, run_id: str) -> None:
        self.note(LOST)


class JsonOutput(_Streams):
    """Each event exactly as it was received, one a line; a reset and a loss as the WebSocket's frames say them."""

    def show(self, raw: bytes, printed: Sequence[Printed], teller: Teller) -> None:
        text = raw.decode()
        # A terminal obeys some characters that JSON leaves as they are; what reads a pipe gets the server's bytes.
        self._write(f"{escape_unseen(text) if self._out.isatty() else text}\n")

    def restart(self, run_id: str, reason: str, cursor: str) -> None:
        self._frame({"op": "reset", "run_id": run_id, "reason": reason, "cursor": cursor})

    def gone(self, run_id: str) -> None:
        self._frame({"op": "error", "code": "gone", "message": LOST, "run_id": run_id})

    def _frame(self, frame: dict[str, str]) -> None:
        self._write(f"{msgspec.json.encode(frame).decode()}\n")


class AnswerOutput(_Streams):
    """The answer, and nothing else; why there is none goes to the standard error."""

    def hint(self, text: str) -> None:
        """Quiet was asked for."""

    def show(self, raw: bytes, printed: Sequence[Printed], teller: Teller) -> None:
        for _, item in printed:
            if isinstance(item, Answer):
                self._write(f"{clean(item.markdown.strip())}\n")
            elif isinstance(item, Line) and item.is_frame and teller.outcome not in ("", "completed"):
                self.note(". ".join(filter(None, (item.head, item.note))))

    def restart(self, run_id: str, reason: str, cursor: str) -> None:
        """Nothing was said yet."""

    def gone(self, run_id: str) -> None:
        self.note(LOST)


def restart_words(reason: str) -> str:
    """Say that the story begins anew."""
    if reason == "trimmed":
        return "The beginning of this run is no longer kept. What is still there follows."
    return "What the server keeps of this run is not what was shown. The whole story follows again."
