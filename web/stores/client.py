"""The web process's Redis client, and how a script call is made with it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from redis import BlockingConnectionPool, Redis
from redis import exceptions as redis_errors
from redis.backoff import NoBackoff
from redis.retry import Retry

from worker.contract.connections import DEFAULT, web_share
from worker.contract.scripts import ScriptCall
from worker.contract.server import ServerFacts, read_facts

#: A request holds a connection for well under a millisecond at a time; the others wait their turn.
_MAX_CONNECTIONS = web_share(DEFAULT).store
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


def connect(url: str, *, connections: int = _MAX_CONNECTIONS) -> Redis:
    """Make a client that answers bytes; opens no connection yet. For use by many OS threads.

    It never tries again by itself: redis-py would, ten times, and a repeated write whose reply was lost is a duplicate.
    """
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=connections,
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


def run_commands(client: Redis, commands: Iterable[Sequence[str | bytes | int]]) -> list[Any]:
    """Make these commands in one round trip."""
    with client.pipeline(transaction=False) as pipe:
        for command in commands:
            pipe.execute_command(*command)  # type: ignore[no-untyped-call]
        return list(pipe.execute())


def to_ms(time: Any) -> int:
    """Make Unix milliseconds of what TIME answers."""
    seconds, microseconds = time
    return int(seconds) * 1000 + int(microseconds) // 1000


def read_server(url: str) -> ServerFacts:
    """Ask the server what it is like, on a connection of its own.

    Raises:
        redis.exceptions.RedisError: It cannot be asked.
    """
    client = connect(url)
    try:
        info: Any = client.info()
    finally:
        client.close()
    return read_facts(info, None)


def is_away(error: Exception) -> bool:
    """Whether the store could not serve, as opposed to having been asked wrongly."""
    # A server that cannot write its append-only file refuses writes with MISCONF; redis-py has no class for it.
    if isinstance(error, redis_errors.ResponseError) and str(error).startswith("MISCONF"):
        return True
    return isinstance(error, STORE_AWAY)
