"""Watches every process for the whole session: one that ends by itself fails it, with its name and last words."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

from tests.staging.platform.process import PlatformProcess

_LOOK_SECONDS = 0.1


class End(NamedTuple):
    """A process has ended though nobody told it to."""

    name: str
    exit_code: int
    last_words: str
    #: Unix seconds.
    at: float

    @property
    def words(self) -> str:
        return f"{self.name} is missing: it ended by itself with exit code {self.exit_code}.\n{self.last_words}"


class Watch:
    """Looks at what `processes` gives, again and again."""

    def __init__(self, processes: Callable[[], Iterable[PlatformProcess]]) -> None:
        self._processes = processes
        self._is_over = threading.Event()
        self._os_thread = threading.Thread(target=self._run, name="watch", daemon=True)
        self._seen: set[int] = set()
        self.ends: list[End] = []

    def start(self) -> None:
        self._os_thread.start()

    def stop(self) -> None:
        self._is_over.set()
        if self._os_thread.is_alive():
            self._os_thread.join()

    def _run(self) -> None:
        while not self._is_over.wait(_LOOK_SECONDS):
            self.look()

    def look(self) -> None:
        """Note what has ended since the last look."""
        for process in list(self._processes()):
            # The code first: what is told to end in this moment has not ended by itself.
            exit_code = process.exit_code
            if exit_code is not None and not process.is_told_to_end and process.pid not in self._seen:
                self._seen.add(process.pid)
                self.ends.append(End(process.name, exit_code, process.tail(), time.time()))
