"""The web process's Redis client, and how a script call is made with it."""

from __future__ import annotations

from typing import Any

from redis import BlockingConnectionPool, Redis
from redis import exceptions as redis_errors
from redis.backoff import NoBackoff
from redis.retry import Retry

from worker.contract.scripts import ScriptCall
from worker.contract.server import read_facts, refusal_of

#: A request holds a connection for well under a millisecond at a time; gunicorn's OS threads are the upper bound.
_MAX_CONNECTIONS = 32
#: A person waits for the answer of a request; with no retries, Redis frozen gives a 503 after this long.
_TIMEOUT_SECONDS = 2.0
#: Waiting for a free connection of the pool comes on top.
_POOL_SECONDS = 1.0

#: Redis is away, starting, full, or a replica for the moment. Anything else is a fault of ours.
STORE_AWAY = (
    redis_errors.ConnectionError,
    redis_errors.TimeoutError,
    redis_errors.OutOfMemoryError,
    redis_errors.ReadOnlyError,
    redis_errors.ClusterDownError,
)


def connect(url: str) -> Redis:
    """Make a client that answers bytes; opens no connection yet. For use by many OS threads.

    It never tries again by itself: redis-py would, ten times, and a repeated write whose reply was lost is a duplicate.
    """
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=_MAX_CONNECTIONS,
        timeout=_POOL_SECONDS,
        socket_timeout=_TIMEOUT_SECONDS,
        socket_connect_timeout=_TIMEOUT_SECONDS,
        retry=Retry(NoBackoff(), 0),
    )
    return Redis(connection_pool=pool)


def run_script(client: Redis, call: ScriptCall) -> Any:
    """Make one script call; sends the script itself when the server has not seen it yet (new, restarted, flushed)."""
    try:
        return client.evalsha(call.script.sha, len(call.keys), *call.keys, *call.args)
    except redis_errors.NoScriptError:
        return client.eval(call.script.source, len(call.keys), *call.keys, *call.args)


def find_unfit(url: str, *, allow_eviction: bool) -> str | None:
    """Say why the server may not be used; None if it may, or cannot be asked at the moment."""
    client = connect(url)
    try:
        info: Any = client.info()
    except redis_errors.RedisError:
        return None
    finally:
        client.close()
    return refusal_of(read_facts(info, None), allow_eviction=allow_eviction)


def is_away(error: Exception) -> bool:
    """Whether the store could not serve, as opposed to having been asked wrongly."""
    # A server that cannot write its append-only file refuses writes with MISCONF; redis-py has no class for it.
    if isinstance(error, redis_errors.ResponseError) and str(error).startswith("MISCONF"):
        return True
    return isinstance(error, STORE_AWAY)
