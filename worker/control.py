"""Listens for rings meant for this worker, such as the wish to stop a run.

A ring says which run to look at, no more. A lost one is made up for by the next renewal of the lease.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable

from redis.asyncio import Redis

from worker.contract import keys
from worker.log import REDIS_AWAY

logger = logging.getLogger(__name__)

_RETRY_SECONDS = 1.0


async def listen(redis_url: str, worker_id: str, look: Callable[[Iterable[str]], Awaitable[None]]) -> None:
    """Call `look` for each run that is rung for, for ever."""
    while True:
        # No read timeout: this connection is silent most of the time. A dead one is found by keep-alive.
        client = Redis.from_url(redis_url, socket_timeout=None, socket_keepalive=True, health_check_interval=15)
        try:
            await _follow(client, keys.control_channel(worker_id), look)
        except REDIS_AWAY as error:
            logger.warning("control channel lost", extra={"action": "redis_away", "reason": type(error).__name__})
            await asyncio.sleep(_RETRY_SECONDS)
        finally:
            await client.aclose()


async def _follow(client: Redis, channel: str, look: Callable[[Iterable[str]], Awaitable[None]]) -> None:
    async with client.pubsub(ignore_subscribe_messages=True) as pubsub:
        await pubsub.subscribe(channel)
        async for message in pubsub.listen():
            _, _, run_id = message["data"].decode().partition(" ")
            await look([run_id])
