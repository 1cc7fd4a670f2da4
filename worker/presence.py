"""Shows others that this worker lives, and what it is: the list of workers, and a card beside each name on it."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence

from redis.asyncio import Redis

from worker.contract import keys
from worker.contract.clock import now_ms
from worker.contract.codec import encode
from worker.contract.version import read_version
from worker.contract.worker_about import ABOUT_LIFE_MS, FORGET_WORKER_MS, WorkerAbout


class Presence:
    """One worker's name on the list. For the worker's event loop."""

    def __init__(self, client: Redis, worker_id: str, *, concurrency: int, queues: Sequence[str]) -> None:
        self._client = client
        self._worker_id = worker_id
        self._concurrency = concurrency
        self._queues = list(queues)
        self._host = socket.gethostname()
        self._since = now_ms()

    async def show(self, *, runs: int, draining: bool) -> None:
        """Give a sign of life, and take workers off the list that have not given one for long."""
        about = WorkerAbout(
            host=self._host,
            pid=os.getpid(),
            version=read_version(),
            since=self._since,
            concurrency=self._concurrency,
            runs=runs,
            queues=self._queues,
            draining=draining,
        )
        now = now_ms()
        async with self._client.pipeline(transaction=False) as pipe:
            pipe.set(keys.worker_about(self._worker_id), encode(about), px=ABOUT_LIFE_MS)
            pipe.zadd(keys.WORKERS, {self._worker_id: now})
            pipe.zremrangebyscore(keys.WORKERS, "-inf", now - FORGET_WORKER_MS)
            await pipe.execute()

    async def leave(self) -> None:
        """Take this worker off the list: it ends as it should."""
        async with self._client.pipeline(transaction=False) as pipe:
            pipe.zrem(keys.WORKERS, self._worker_id)
            pipe.unlink(keys.worker_about(self._worker_id))
            await pipe.execute()
