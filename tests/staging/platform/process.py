"""A process of the platform: in a group of its own, with no variable but those it is given, its output kept."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.staging.platform.errors import PartMissing
from tests.support.waiting import POLL_SECONDS, scaled

#: What platforms leave between SIGTERM and SIGKILL.
GRACE_SECONDS = 30.0
_RESIDENT = re.compile(r"^VmRSS:\s+(\d+) kB", re.MULTILINE)


class PlatformProcess:
    """One that runs, or has ended.

    Args:
        variables: all that it finds in its environment.
        log: where its output goes, after what is there.
    """

    def __init__(
        self, name: str, command: str | Sequence[str], *, variables: Mapping[str, str], directory: Path, log: Path
    ) -> None:
        self.name = name
        self.log = log
        #: Somebody of ours ends it; before that, its end is a failure.
        self.is_told_to_end = False
        self._begin = log.stat().st_size if log.exists() else 0
        arguments = shlex.split(command) if isinstance(command, str) else list(command)
        with log.open("ab") as output:
            try:
                self._child = subprocess.Popen(
                    arguments,
                    cwd=directory,
                    env=dict(variables),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            except FileNotFoundError:
                raise PartMissing(name, f"there is no program `{arguments[0]}` in its environment.") from None

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def exit_code(self) -> int | None:
        """Negative for a signal; None while it runs."""
        return self._child.poll()

    @property
    def is_running(self) -> bool:
        return self.exit_code is None

    @property
    def output(self) -> str:
        """What it has said since it was started."""
        with self.log.open("rb") as file:
            file.seek(self._begin)
            return file.read().decode(errors="replace")

    def tail(self, lines: int = 20) -> str:
        return "\n".join(self.output.splitlines()[-lines:])

    @property
    def resident_mb(self) -> float:
        """Memory of the process and its children."""
        return sum(_resident_kb(pid) for pid in self.family) / 1024

    @property
    def family(self) -> list[int]:
        """It and its children, which share its group."""
        return [self.pid, *_children(self.pid)] if self.is_running else []

    def terminate(self) -> None:
        """SIGTERM to every process of the group at once, as platforms do it; does not wait."""
        self.is_told_to_end = True
        self._signal(signal.SIGTERM)

    def wait(self, seconds: float = GRACE_SECONDS) -> bool:
        """Block until it has ended; after the grace time kill it and answer False."""
        try:
            self._child.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            return False
        # What is left of the group.
        self._signal(signal.SIGKILL)
        return True

    def kill(self) -> None:
        """SIGKILL to all of it."""
        self.is_told_to_end = True
        self._signal(signal.SIGKILL)
        self._child.wait()

    def wait_for(self, words: str, seconds: float) -> None:
        """Block until it has said this.

        Raises:
            PartMissing: it ended, or did not say it in time.
        """
        end = time.monotonic() + scaled(seconds)
        while words not in self.output:
            if not self.is_running:
                raise PartMissing(self.name, f"it ended at its start with exit code {self.exit_code}.\n{self.tail()}")
            if time.monotonic() > end:
                raise PartMissing(self.name, f"it was not ready within {scaled(seconds):g} s.\n{self.tail()}")
            time.sleep(POLL_SECONDS)

    def _signal(self, signum: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signum)


def _children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def _resident_kb(pid: int) -> int:
    try:
        found = _RESIDENT.search(Path(f"/proc/{pid}/status").read_text())
    except OSError:
        return 0
    return int(found[1]) if found else 0
