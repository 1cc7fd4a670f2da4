"""Listens for rings meant for this worker, such as the wish to stop a run.

A ring says which run to look at, no more. A lost one is made up for by the next renewal of the lease.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress

from redis.asyncio import Redis
from redis.exceptions import RedisError

from worker.background import repeat
from worker.contract import keys

Look = Callable[[Iterable[str]], Awaitable[None]]

_RECONNECT_SECONDS = 0.0
#: A ring may come between the claim of a run and the moment when this process knows of it.
_SECOND_LOOK_SECONDS = 0.3


async def listen(redis_url: str, worker_id: str, look: Look) -> None:
    """Call `look` for each run that is rung for, for ever."""
    await repeat("control", lambda: _connect_and_follow(redis_url, worker_id, look), every=_RECONNECT_SECONDS)


async def _connect_and_follow(redis_url: str, worker_id: str, look: Look) -> None:
    # No read timeout: this connection is silent most of the time. A dead one is found by keep-alive.
    client = Redis.from_url(redis_url, socket_timeout=None, socket_keepalive=True, health_check_interval=15)
    try:
        await _follow(client, keys.control_channel(worker_id), look)
    finally:
        await client.aclose()


async def _follow(client: Redis, channel: str, look: Look) -> None:
    async with client.pubsub(ignore_subscribe_messages=True) as pubsub, asyncio.TaskGroup() as looks:
        await pubsub.subscribe(channel)
        async for message in pubsub.listen():
            _, _, run_id = message["data"].decode().partition(" ")
            looks.create_task(_look_twice(look, run_id))


async def _look_twice(look: Look, run_id: str) -> None:
    with suppress(RedisError):
        await look([run_id])
        await asyncio.sleep(_SECOND_LOOK_SECONDS)
        await look([run_id])
