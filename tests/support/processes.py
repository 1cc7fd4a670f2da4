"""Processes that a test starts: in a group of their own, with their output kept, ended by the pid that was started."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.support.environment import ROOT, child_environment
from tests.support.waiting import scaled

TAIL_LINES = 80

#: Every process of this test session that was started and not yet forgotten, for the failure report.
started: list[Process] = []


class Process:
    """A running child process; its output (both streams) goes to `<directory>/<name>.log`.

    Args:
        command: a line as in the Procfile, or the arguments.
        settings: the project's variables; no others of the project reach the child.
        directory: where the output file is written; made if absent.
    """

    def __init__(
        self, name: str, command: str | Sequence[str], *, settings: Mapping[str, str], directory: Path, cwd: Path = ROOT
    ) -> None:
        self.name = name
        directory.mkdir(parents=True, exist_ok=True)
        self.output_file = directory / f"{name}.log"
        with self.output_file.open("ab") as output:
            self._child = subprocess.Popen(
                shlex.split(command) if isinstance(command, str) else list(command),
                cwd=cwd,
                env=child_environment(settings),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        started.append(self)

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def is_running(self) -> bool:
        return self._child.poll() is None

    @property
    def exit_code(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""
        return self._child.poll()

    @property
    def output(self) -> str:
        """Everything the process has printed so far."""
        return self.output_file.read_text(errors="replace")

    def tail(self, lines: int = TAIL_LINES) -> str:
        """The last lines of the output."""
        return "\n".join(self.output.splitlines()[-lines:])

    def send(self, signum: signal.Signals) -> None:
        """Signal the process itself, not its children."""
        if self.is_running:
            os.kill(self.pid, signum)

    def send_all(self, signum: signal.Signals) -> None:
        """Signal the process and all its children, as a platform signals a container."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signum)

    @property
    def children(self) -> list[int]:
        """The pids of its child processes; Linux only."""
        try:
            return [int(pid) for pid in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()]
        except FileNotFoundError:
            return []

    def wait(self, deadline: float = 15.0) -> int:
        """Block until the process has ended and return its exit code; fail after `deadline` seconds."""
        try:
            return self._child.wait(scaled(deadline))
        except subprocess.TimeoutExpired as error:
            raise AssertionError(f"{self.name} did not end within {scaled(deadline):g} s\n{self.tail()}") from error

    def terminate(self, deadline: float = 15.0) -> int:
        """Ask the process to end (SIGTERM), wait, and return its exit code; what is left of its group is killed."""
        self.send(signal.SIGTERM)
        try:
            return self.wait(deadline)
        finally:
            self.kill()

    def kill(self) -> None:
        """Kill the process and all its children at once."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._child.wait()

    def stop(self) -> None:
        """End the process in whatever state it is; for use in fixtures."""
        if self in started:
            started.remove(self)
        with contextlib.suppress(AssertionError):
            self.terminate()
