"""Brings the numbers of this web process to where any of them finds them (see `worker.contract.meters`)."""

from __future__ import annotations

import logging
import threading

from redis import Redis
from redis.exceptions import RedisError

from web.stores.client import run_commands
from worker.contract.meters import PUBLISH_SECONDS, Command, Meters, publish

logger = logging.getLogger(__name__)


class Figures:
    """Sends in an OS thread of its own, for as long as the process lives. `start` and `stop` once each."""

    def __init__(self, client: Redis, process: str, meters: Meters) -> None:
        self._client = client
        self.process = process
        self._meters = meters
        self._stopping = threading.Event()
        self._os_thread = threading.Thread(target=self._send_on, name="figures", daemon=True)

    def start(self) -> None:
        """Begin to send. After a fork, not before it."""
        self._os_thread.start()

    def begin_stop(self) -> None:
        """Nothing yet: the process goes on counting until it has ended. May be called from a signal handler."""

    def stop(self, timeout: float) -> None:
        """Send what this process has done, without what it has; blocks for at most `timeout` seconds."""
        self._stopping.set()
        if self._os_thread.is_alive():
            self._os_thread.join(timeout)

    def commands(self) -> list[Command]:
        """Give the commands that store the numbers of now."""
        return publish(self.process, self._meters.snapshot())

    def _send_on(self) -> None:
        is_over = False
        while not is_over:
            # At once: a series has to be seen at 0 before it rises.
            self._send(with_gauges=True)
            is_over = self._stopping.wait(PUBLISH_SECONDS)
        self._send(with_gauges=False)

    def _send(self, *, with_gauges: bool) -> None:
        try:
            run_commands(self._client, publish(self.process, self._meters.snapshot(with_gauges=with_gauges)))
        except RedisError as error:
            facts = {"action": "figures_failed", "reason": type(error).__name__}
            logger.warning("could not store figures", extra=facts)
        except Exception:
            # Nobody sees this process any more, and everything else of it is well.
            logger.exception("figures failed", extra={"action": "figures_failed"})
