"""Redis clients of the worker, and how a script call is made with one."""

from __future__ import annotations

from typing import Any

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError

from worker.contract.scripts import ScriptCall

#: Runs share the pool; a script holds a connection for well under a millisecond.
_MAX_CONNECTIONS = 16
_TIMEOUT_SECONDS = 5.0


def connect(url: str) -> Redis:
    """Make a client for scripts and reads.

    It never tries again by itself: redis-py would, ten times, and a repeated write whose reply was lost is a duplicate
    unless the script is told so.
    """
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=_MAX_CONNECTIONS,
        timeout=_TIMEOUT_SECONDS,
        socket_timeout=_TIMEOUT_SECONDS,
        socket_connect_timeout=_TIMEOUT_SECONDS,
        retry=Retry(NoBackoff(), 0),
        health_check_interval=15,
    )
    return Redis.from_pool(pool)


async def run_script(client: Redis, call: ScriptCall) -> Any:
    """Make one script call; sends the script itself when the server has not seen it yet (new, restarted, flushed)."""
    try:
        return await client.evalsha(call.script.sha, len(call.keys), *call.keys, *call.args)
    except NoScriptError:
        return await client.eval(call.script.source, len(call.keys), *call.keys, *call.args)
