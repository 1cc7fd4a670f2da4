"""The Procfile's `release` line on this machine: run to its end before anything else starts, as platforms do."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from worker.local.errors import ReleaseFailed

_POLL_SECONDS = 0.1
#: How the check begins the lines that need nobody's attention.
_CALM = ("ok ", "note ")


def run_release(command: str, environ: Mapping[str, str], directory: Path, *, is_stopped: Callable[[], bool]) -> None:
    """Run the command and show nothing of it, unless it fails. Returns early once `is_stopped` says so.

    Raises:
        ReleaseFailed: With the lines that say why.
    """
    with tempfile.TemporaryFile("w+", errors="replace") as output:
        child = subprocess.Popen(
            shlex.split(command),
            cwd=directory,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            # Ctrl-C in the terminal must not become a traceback among our lines.
            start_new_session=True,
        )
        code = _wait(child, is_stopped)
        output.seek(0)
        lines = [line for line in output.read().splitlines() if line and not line.startswith(_CALM)]
    if code:
        raise ReleaseFailed("\n  ".join([f"`{command}` says what is in the way:", *lines]))


def _wait(child: subprocess.Popen[bytes], is_stopped: Callable[[], bool]) -> int:
    """Give the exit code; 0 if it was ended because a stop is wanted."""
    while not is_stopped():
        with contextlib.suppress(subprocess.TimeoutExpired):
            return child.wait(_POLL_SECONDS)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    return 0
