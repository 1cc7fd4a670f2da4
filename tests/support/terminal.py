"""The terminal client as a person starts it: a process with its own state, on pipes or on a pseudo-terminal."""

from __future__ import annotations

import contextlib
import os
import pty
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.support.environment import ROOT, child_environment
from tests.support.waiting import scaled, wait_until

_SECONDS = 60.0


class Done(NamedTuple):
    code: int
    out: str
    err: str


class Command:
    """A command that runs; its output goes to two files, so that what it has printed so far can be read at any time."""

    def __init__(self, words: tuple[str, ...], settings: dict[str, str], folder: Path, keyboard: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        number = len(list(folder.glob("*.out"))) + 1
        self._out = folder / f"{number}.out"
        self._err = folder / f"{number}.err"
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self._child = subprocess.Popen(
                _command(words),
                cwd=ROOT,
                env=child_environment(settings),
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=err,
                text=True,
            )
        assert self._child.stdin is not None
        with contextlib.suppress(BrokenPipeError), self._child.stdin as pipe:
            pipe.write(keyboard)

    @property
    def out(self) -> str:
        return self._out.read_text(errors="replace")

    @property
    def err(self) -> str:
        return self._err.read_text(errors="replace")

    def wait_for(self, text: str) -> None:
        """Wait until it has printed a text, on either stream."""
        wait_until(
            lambda: text in self.out + self.err or self._child.poll() is not None, 30, what=f"{text!r} is printed"
        )
        assert text in self.out + self.err, f"ended without {text!r}:\n{self.out}\n{self.err}"

    def send(self, signum: signal.Signals) -> None:
        self._child.send_signal(signum)

    def finish(self) -> Done:
        """Wait for its end."""
        try:
            code = self._child.wait(scaled(_SECONDS))
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
            raise AssertionError(f"did not end:\n{self.out}\n{self.err}") from None
        return Done(code, self.out, self.err)


class TerminalClient:
    """Starts commands against one server; all commands of one client are one user.

    Args:
        state: Where the user and the commands' output are kept.
    """

    def __init__(self, server: str, state: Path) -> None:
        self._output = state / "output"
        self._settings = {"OUTLOUD_SERVER": server, "XDG_STATE_HOME": str(state), "CI": "", "TERM": "xterm-256color"}

    def run(self, *words: str, keyboard: str = "", **settings: str) -> Done:
        """Run a command to its end."""
        return self.start(*words, keyboard=keyboard, **settings).finish()

    def start(self, *words: str, keyboard: str = "", **settings: str) -> Command:
        return Command(words, {**self._settings, **settings}, self._output, keyboard)

    def start_piped(self, *words: str) -> subprocess.Popen[bytes]:
        """Start a command whose output goes to a pipe, for those who do not read it."""
        environ = child_environment(self._settings)
        pipe = subprocess.PIPE
        return subprocess.Popen(
            _command(words), cwd=ROOT, env=environ, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe
        )

    @contextlib.contextmanager
    def on_screen(self, *words: str, columns: int = 100, rows: int = 30, **settings: str) -> Iterator[Screen]:
        """Start a command on a pseudo-terminal."""
        near, far = pty.openpty()
        termios.tcsetwinsize(far, (rows, columns))
        child = subprocess.Popen(
            _command(words),
            cwd=ROOT,
            env=child_environment({**self._settings, **settings}),
            stdin=far,
            stdout=far,
            stderr=far,
            start_new_session=True,
        )
        os.close(far)
        try:
            yield Screen(near, child)
        finally:
            child.kill()
            child.wait()
            os.close(near)


class Screen:
    """A pseudo-terminal and the command on it."""

    def __init__(self, descriptor: int, child: subprocess.Popen[bytes]) -> None:
        self._descriptor = descriptor
        self._child = child
        #: Everything that was written to it.
        self.written = ""

    def wait_for(self, text: str, deadline: float = 20.0) -> None:
        """Read until a text has been written."""
        end = time.monotonic() + scaled(deadline)
        while text not in self.written:
            assert time.monotonic() < end, f"{text!r} was not written:\n{self.written}"
            assert self._read(0.1) or self._child.poll() is None, f"ended without {text!r}:\n{self.written}"

    def seen(self) -> str:
        """Everything that has been written by now."""
        while self._read(0.0):
            pass
        return self.written

    def type(self, text: str) -> None:
        os.write(self._descriptor, text.encode())

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        self.send(signal.SIGINT)

    def send(self, signum: signal.Signals) -> None:
        self._child.send_signal(signum)

    def finish(self) -> int:
        """Read to the end; answers the exit code."""
        end = time.monotonic() + scaled(_SECONDS)
        while self._read(0.1) or self._child.poll() is None:
            assert time.monotonic() < end, f"did not end:\n{self.written}"
        return self._child.wait()

    def _read(self, seconds: float) -> bool:
        ready, _, _ = select.select([self._descriptor], [], [], seconds)
        if not ready:
            return False
        try:
            piece = os.read(self._descriptor, 65_536)
        except OSError:  # The command has closed its end.
            return False
        self.written += piece.decode(errors="replace")
        return bool(piece)


def _command(words: tuple[str, ...]) -> list[str]:
    return [sys.executable, "-m", "web.terminal", *words]
