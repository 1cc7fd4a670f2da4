"""What a command is connected to, and how it should show a run there."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TextIO

from web.terminal.activity import Situation
from web.terminal.deciding import Prompt
from web.terminal.outputs import AnswerOutput, JsonOutput, Output, PlainOutput

NO_RICH = "For a livelier picture: pip install 'outloud[terminal]'"


@dataclass(frozen=True)
class Streams:
    """The three standard streams."""

    keyboard: TextIO
    out: TextIO
    err: TextIO
    environ: Mapping[str, str]

    @property
    def is_terminal(self) -> bool:
        """Whether a picture can be drawn: not into a pipe, a file or a build's log, nor on a teletype."""
        return self.out.isatty() and self.environ.get("TERM", "") not in ("", "dumb") and not self.environ.get("CI")

    def prompt(self, arguments: argparse.Namespace) -> Prompt | None:
        """Give a way to ask the person; None where there is none, or a program reads along."""
        if arguments.json or arguments.quiet or arguments.no_wait:
            return None
        return Prompt(self.keyboard, self.err) if self.keyboard.isatty() and self.err.isatty() else None

    def output(
        self, arguments: argparse.Namespace, situation: Situation, *, server_time: Callable[[], float]
    ) -> Output:
        """Give what the arguments ask for, or else what suits the standard output; needs the event loop."""
        if arguments.json:
            return JsonOutput(self.out, self.err)
        if arguments.quiet:
            return AnswerOutput(self.out, self.err)
        if arguments.plain or not self.is_terminal:
            return PlainOutput(self.out, self.err)
        return self._screen(situation, server_time) or PlainOutput(self.out, self.err)

    def _screen(self, situation: Situation, server_time: Callable[[], float]) -> Output | None:
        try:
            from rich.console import Console

            from web.terminal.screen import ScreenOutput
        except ImportError:
            self.err.write(f"{NO_RICH}\n")
            return None
        console = Console(file=self.out, markup=False, emoji=False, highlight=False)
        screen = ScreenOutput(console, situation, server_time=server_time)
        screen.start()
        return screen
