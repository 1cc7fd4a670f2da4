"""A lock that holds between OS threads and between processes of one machine."""

from __future__ import annotations

import contextlib
import fcntl
import time
from collections.abc import Iterator
from pathlib import Path

from worker.workspace.errors import CacheBusy

_POLL_SECONDS = 0.01


@contextlib.contextmanager
def file_lock(path: Path, *, wait_seconds: float) -> Iterator[None]:
    """Hold the lock of this file; blocks until it is free. The system frees it when a process dies.

    Raises:
        CacheBusy: It was not free within `wait_seconds`.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Each holder opens the file anew: the lock belongs to the open file, so two OS threads exclude each other too.
    with path.open("ab") as handle:
        deadline = time.monotonic() + wait_seconds
        while not _try_lock(handle.fileno()):
            if time.monotonic() > deadline:
                raise CacheBusy("The tables are still being prepared; try again in a moment.")
            time.sleep(_POLL_SECONDS)
        yield


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
