"""`outloud run "question"`, `outloud tail RUN_ID` and what goes with them. See docs/terminal.md."""

from __future__ import annotations

import asyncio
import io
import os
import sys
from collections.abc import Sequence
from typing import TextIO

from web.terminal.arguments import parser
from web.terminal.commands import perform
from web.terminal.errors import ExitCode, Refused, TerminalError
from web.terminal.settings import Settings
from web.terminal.streams import Streams
from web.terminal.text import clean
from worker.contract.environment import SettingsError

_SIGN_IN = frozenset({401, 403})


def main(words: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code."""
    arguments = parser().parse_args(words)
    streams = Streams(_readable(sys.stdin), _writable(sys.stdout), _writable(sys.stderr), os.environ)
    try:
        settings = Settings.from_env(os.environ, server=arguments.server, insecure=arguments.insecure)
        code = asyncio.run(perform(arguments, settings, streams))
        streams.out.flush()
    except TerminalError as error:
        return _complain(streams, _words_of(error), error.code)
    except SettingsError as error:
        return _complain(streams, str(error), ExitCode.USAGE)
    except BrokenPipeError:
        return _go_quietly()
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    return code


def _complain(streams: Streams, text: str, code: ExitCode) -> int:
    streams.err.write(f"outloud: {clean(text)}\n")
    return code


def _words_of(error: TerminalError) -> str:
    text = str(error)
    if isinstance(error, Refused) and error.status in _SIGN_IN:
        text += " Set OUTLOUD_TOKEN to a token that this server accepts."
    return text


def _writable(stream: TextIO | None) -> TextIO:
    """A stream that takes any character; what its encoding lacks becomes a question mark."""
    if stream is None:  # Closed by whoever started us.
        return io.StringIO()
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="replace")
    return stream


def _readable(stream: TextIO | None) -> TextIO:
    """A stream of any bytes; what is no text in its encoding is read as a replacement character."""
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="replace")
    return io.StringIO() if stream is None else stream


def _go_quietly() -> int:
    """Whoever read our output has had enough; Python would complain about that once more at its exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return ExitCode.UNHEARD


if __name__ == "__main__":
    sys.exit(main())
