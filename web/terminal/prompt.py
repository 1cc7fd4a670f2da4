"""Asks the person at the terminal for a yes or a no, while everything else goes on."""

from __future__ import annotations

import asyncio
import contextlib
import os
import termios
from collections.abc import AsyncIterator
from typing import TextIO

_YES, _NO = frozenset({"y", "yes"}), frozenset({"n", "no"})
_READ_BYTES = 1024


class Prompt:
    """Reads answers from a terminal.

    Args:
        keyboard: The terminal's input.
        out: Where the question is asked.
    """

    def __init__(self, keyboard: TextIO, out: TextIO) -> None:
        self._keyboard = keyboard.fileno()
        self._out = out

    async def ask(self, question: str) -> bool | None:
        """Ask until the answer is yes or no; None when the input ends."""
        # What was typed before the question could be seen is no answer to it.
        with contextlib.suppress(termios.error):
            termios.tcflush(self._keyboard, termios.TCIFLUSH)
        async with self._lines() as lines:
            while True:
                self._out.write(f"{question} [y/n] ")
                self._out.flush()
                try:
                    answer = await lines.get()
                except asyncio.CancelledError:
                    # It was decided elsewhere: what comes next begins a line of its own.
                    self._out.write("\n")
                    raise
                if not answer:
                    return None
                if answer.strip().lower() in _YES | _NO:
                    return answer.strip().lower() in _YES

    @contextlib.asynccontextmanager
    async def _lines(self) -> AsyncIterator[asyncio.Queue[str]]:
        """What is typed, a line at a time; an empty text is the end."""
        lines: asyncio.Queue[str] = asyncio.Queue()
        loop = asyncio.get_running_loop()

        def read() -> None:
            try:
                lines.put_nowait(os.read(self._keyboard, _READ_BYTES).decode(errors="replace"))
            except OSError:
                lines.put_nowait("")

        loop.add_reader(self._keyboard, read)
        try:
            yield lines
        finally:
            loop.remove_reader(self._keyboard)
