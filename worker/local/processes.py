"""The Procfile's processes on this machine: each in a group of its own, its output shown line by line under its name.

honcho reads the Procfile, starts the processes and prints. Its own manager is not used: it ends all processes at the
same moment and kills them after 5 s, which would cut runs that are about to end.
"""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TextIO

from honcho.colour import get_colours
from honcho.environ import parse_procfile
from honcho.printer import Message, Printer
from honcho.process import Process

from worker.local.errors import ProcessDied

START_SECONDS = 10.0
POLL_SECONDS = 0.05


def read_procfile(file: Path) -> dict[str, str]:
    """The process types and their commands, in the file's order."""
    return dict(parse_procfile(file.read_text()).processes)


@dataclass
class _Child:
    pid: int = 0
    exit_code: int | None = None

    def is_running(self) -> bool:
        return self.exit_code is None


class Processes:
    """Starts, watches and stops processes. One OS thread per process reads its output and one prints it all.

    Args:
        environ: what every process gets.
        directory: where they run.
        output: where their lines go.
        width: of the column for names.
    """

    def __init__(self, environ: Mapping[str, str], directory: Path, output: TextIO, *, width: int = 0) -> None:
        self._environ = dict(environ)
        self._directory = directory
        self._children: dict[str, _Child] = {}
        self._messages: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        self._changed = threading.Condition()
        self._colours = get_colours()
        self._colour_of: dict[str, str] = {}
        self._printer = Printer(output, width=width)
        self._output = threading.Thread(target=self._read_messages, name="output", daemon=True)
        self._output.start()

    def start(self, name: str, command: str) -> None:
        """Start a process, or one that has ended anew, and return once it has a process id.

        Raises:
            ProcessDied: if it cannot be started.
        """
        if name not in self._colour_of:
            self._colour_of[name] = next(self._colours)
        colour = self._colour_of[name]
        process = Process(command, name=name, colour=colour, env=self._environ, cwd=str(self._directory))
        self._children[name] = _Child()
        threading.Thread(target=process.run, args=(self._messages,), name=name, daemon=True).start()
        with self._changed:
            if not self._changed.wait_for(lambda: self._children[name].pid, timeout=START_SECONDS):
                del self._children[name]
                raise ProcessDied(f"{name} could not be started: {command}")

    def ended(self) -> dict[str, int]:
        """The processes that have ended, with their exit codes; negative for a signal."""
        return {name: child.exit_code for name, child in self._children.items() if child.exit_code is not None}

    def stop(self, name: str, *, seconds: float, in_a_hurry: Callable[[], bool]) -> None:
        """Ask a process and its children to end, as a platform does, and wait; kill them after `seconds`.

        Args:
            in_a_hurry: asked again and again; once true, they are killed at once.
        """
        child = self._children.get(name)
        if child is None or not child.is_running():
            return
        _signal_group(child.pid, signal.SIGTERM)
        deadline = time.monotonic() + seconds
        while child.is_running() and time.monotonic() < deadline and not in_a_hurry():
            time.sleep(POLL_SECONDS)
        if child.is_running():
            self.say(f"{name} did not end; killing it")
            _signal_group(child.pid, signal.SIGKILL)
            with self._changed:
                self._changed.wait_for(lambda: not child.is_running(), timeout=seconds)

    def say(self, text: str) -> None:
        """Print a line of our own between those of the processes."""
        self._messages.put(Message(type="line", data=text, time=datetime.now().astimezone(), name="local", colour=None))

    def close(self) -> None:
        """Print what is still to be printed; the last call."""
        self._messages.put(None)
        self._output.join()

    def _read_messages(self) -> None:
        while (message := self._messages.get()) is not None:
            if message.type == "line":
                # A terminal that went away must not keep the processes from being watched and stopped.
                with contextlib.suppress(OSError):
                    self._printer.write(message)
                continue
            with self._changed:
                child = self._children[message.name]
                if message.type == "start":
                    child.pid = message.data["pid"]
                else:
                    child.exit_code = message.data["returncode"]
                self._changed.notify_all()


def _signal_group(pid: int, signum: signal.Signals) -> None:
    # The process leads its group and is not waited for before its output has ended, so the id cannot be another's.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signum)
