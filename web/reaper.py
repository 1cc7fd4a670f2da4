"""The reaper in a web process: a run is not silent when no worker lives (see `worker.reaping`)."""

from __future__ import annotations

import logging
import threading

from redis.exceptions import RedisError

from web.driver import Driver
from worker.reaping.sweep import SWEEP_SECONDS, SweepSettings, sweep

logger = logging.getLogger(__name__)


class Reaper:
    """Sweeps in an OS thread of its own, whenever it is this process's turn. `start` and `stop` once each."""

    def __init__(self, driver: Driver, settings: SweepSettings) -> None:
        self._driver = driver
        self._settings = settings
        self._stopping = threading.Event()
        self._os_thread = threading.Thread(target=self._sweep_on, name="reaper", daemon=True)

    def start(self) -> None:
        """Begin to sweep. After a fork, not before it."""
        self._os_thread.start()

    def begin_stop(self) -> None:
        """Let it end; returns at once. May be called from a signal handler."""
        self._stopping.set()

    def stop(self, timeout: float) -> None:
        """Let it end, and wait for it; blocks for at most `timeout` seconds."""
        self._stopping.set()
        if self._os_thread.is_alive():
            self._os_thread.join(timeout)

    def _sweep_on(self) -> None:
        while not self._stopping.wait(SWEEP_SECONDS):
            try:
                self._driver.do(sweep(self._settings))
            except RedisError as error:
                facts = {"action": "reaper_failed", "reason": type(error).__name__}
                logger.warning("could not sweep", extra=facts)
            except Exception:
                # One run that cannot be read must not leave all others alone.
                logger.exception("sweep failed", extra={"action": "reaper_failed"})
