"""Brings the numbers of this worker to where a web process finds them (see `worker.contract.meters`)."""

from __future__ import annotations

from redis.asyncio import Redis

from worker.background import repeat
from worker.contract.meters import PUBLISH_SECONDS, Meters, publish
from worker.redis_client import run_commands


class Figures:
    """One worker's numbers on their way to Redis. For the worker's event loop."""

    def __init__(self, client: Redis, worker_id: str, meters: Meters) -> None:
        self._client = client
        self._worker_id = worker_id
        self._meters = meters

    async def keep(self) -> None:
        """Store the numbers of now, again and again; at once as well, since a series has to be seen at 0 to rise."""
        await repeat("figures", self._send, every=PUBLISH_SECONDS, first=0.0)

    async def send_last(self) -> None:
        """Store what this worker has done, since it will be asked no more; what it has is nothing from now on."""
        snapshot = self._meters.snapshot(with_gauges=False)
        await run_commands(self._client, publish(self._worker_id, snapshot))

    async def _send(self) -> None:
        await run_commands(self._client, publish(self._worker_id, self._meters.snapshot()))
