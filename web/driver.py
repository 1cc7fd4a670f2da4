"""Carries out the reaper's work (see `worker.reaping`) with the web process's own clients."""

from __future__ import annotations

import logging
from typing import Any, TypeVar

from redis import Redis

from web.doorbell import Doorbell
from web.errors import Unavailable
from web.stores.client import run_commands, run_script
from worker.reaping.asks import Commands, Ring, Work

logger = logging.getLogger(__name__)

T = TypeVar("T")


class Driver:
    """For use by many OS threads; blocks for each round trip."""

    def __init__(self, client: Redis, doorbell: Doorbell) -> None:
        self._client = client
        self._doorbell = doorbell

    def do(self, work: Work[T]) -> T:
        """Carry out a piece of work.

        Raises:
            redis.exceptions.RedisError: The store could not be reached; whoever sweeps next does the rest.
        """
        answer: Any = None
        while True:
            try:
                ask = work.send(answer)
            except StopIteration as done:
                result: T = done.value
                return result
            match ask:
                case Commands(commands):
                    answer = run_commands(self._client, commands)
                case Ring(run_id, queue, agent):
                    self.ring(run_id, queue, agent)
                    answer = None
                case call:
                    answer = run_script(self._client, call)

    def ring(self, run_id: str, queue: str, agent: str = "") -> None:
        """Ring for a run; a message that cannot be sent is made up for by the reaper."""
        try:
            self._doorbell.ring(run_id, queue, agent)
        except Unavailable:
            logger.warning("could not ring", extra={"action": "ring_failed", "run_id": run_id})
