"""Counts connections to Redis, against the few that its plan allows."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import redis

from tests.staging.platform.redis_server import MAX_CLIENTS

_LOOK_SECONDS = 0.5
#: The counter's own.
_OURS = 1


class ConnectionCount:
    """Looks again and again, over a connection that it keeps.

    Args:
        members: how many processes there are now, to tell a deploy from other times.
        usual: how many there are outside of deploys.
    """

    limit = MAX_CLIENTS

    def __init__(self, connect: Callable[[], redis.Redis], *, members: Callable[[], int], usual: int) -> None:
        self._connect = connect
        self._members = members
        self._usual = usual
        self._is_over = threading.Event()
        self._os_thread = threading.Thread(target=self._run, name="connections", daemon=True)
        #: The most at one time; outside of deploys.
        self.peak = self.peak_of_one = 0
        #: How often the server has turned a client away.
        self.refused = 0
        self._refused_before_restart = self._refused_now = 0

    def start(self) -> None:
        self._os_thread.start()

    def stop(self) -> None:
        self._is_over.set()
        if self._os_thread.is_alive():
            self._os_thread.join()

    def _run(self) -> None:
        client = self._connect()
        try:
            while not self._is_over.wait(_LOOK_SECONDS):
                try:
                    info: Any = client.info()
                except redis.RedisError:
                    continue
                self._take(int(info["connected_clients"]) - _OURS, int(info["rejected_connections"]))
        finally:
            client.close()

    def _take(self, connected: int, refused: int) -> None:
        self.peak = max(self.peak, connected)
        if self._members() <= self._usual:
            self.peak_of_one = max(self.peak_of_one, connected)
        if refused < self._refused_now:
            self._refused_before_restart += self._refused_now
        self._refused_now = refused
        self.refused = self._refused_before_restart + refused
