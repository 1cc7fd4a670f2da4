"""Redis clients of the worker, how a script call is made with one, and what to do while the server is away."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from redis import exceptions
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from worker.contract.connections import DEFAULT, worker_share
from worker.contract.scripts import ScriptCall
from worker.contract.server import ServerFacts, read_facts
from worker.contract.starting import Patience, await_server
from worker.settings import WorkerSettings

logger = logging.getLogger(__name__)

T = TypeVar("T")


#: Runs share the pool; a script holds a connection for well under a millisecond.
_MAX_CONNECTIONS = worker_share(DEFAULT)
_TIMEOUT_SECONDS = 5.0
#: How long a run waits for a server that is away. It keeps one write and one pending text meanwhile, so the wait costs
#: no memory; after it the attempt is given up, and the run goes on in another one when the server is back.
DEADLINE_SECONDS = 120.0

_AWAY = (
    exceptions.ConnectionError,
    exceptions.TimeoutError,
    exceptions.BusyLoadingError,
    exceptions.OutOfMemoryError,
    exceptions.ReadOnlyError,
)
#: How replies begin that tell of a state which passes: a failover, a full disk, a script of someone else's.
_PASSING = ("NOREPLICAS", "MISCONF", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "BUSY ")
#: The same from inside a script, where Redis 6.2 puts words of its own before them.
_PASSING_INSIDE = ("-OOM ", "-READONLY ", "-MISCONF ", "-NOREPLICAS ")


def is_away(error: BaseException) -> bool:
    """Whether the server cannot serve for the moment; anything else is a fault of ours."""
    words = str(error)
    return (
        isinstance(error, _AWAY)
        or _is_closed_transport(error)
        or (
            isinstance(error, exceptions.RedisError)
            and (words.startswith(_PASSING) or any(part in words for part in _PASSING_INSIDE))
        )
    )


def _is_closed_transport(error: BaseException) -> bool:
    """What uvloop raises where asyncio would raise an OSError: a write to a connection that has just been closed."""
    return isinstance(error, RuntimeError) and "the handler is closed" in str(error)


def connect(url: str, *, connections: int = _MAX_CONNECTIONS) -> Redis:
    """Make a client for scripts and reads.

    It never tries again by itself: redis-py would, ten times, and a repeated write whose reply was lost is a duplicate
    unless the script is told so.
    """
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=connections,
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
    except exceptions.NoScriptError:
        return await client.eval(call.script.source, len(call.keys), *call.keys, *call.args)


async def run_commands(client: Redis, commands: Sequence[Sequence[str | bytes | int]]) -> list[Any]:
    """Make these commands in one round trip."""
    async with client.pipeline(transaction=False) as pipe:
        for command in commands:
            pipe.execute_command(*command)
        return list(await pipe.execute())


async def read_server(client: Redis) -> ServerFacts:
    """Ask the server what it is like."""
    info: Any = await client.info()
    try:
        found: Any = await client.config_get("save")
    except exceptions.ResponseError:
        # Managed servers keep CONFIG to themselves.
        found = {}
    return read_facts(info, found.get("save"))


def await_redis(settings: WorkerSettings) -> ServerFacts:
    """Wait until Redis can be used. Blocks; for the start of a worker, before there is an event loop.

    Raises:
        StartRefused: It cannot, and waiting does not help or has not helped.
    """

    async def read() -> ServerFacts:
        client = connect(settings.redis_url)
        try:
            return await read_server(client)
        finally:
            await client.aclose()

    def say(words: str) -> None:
        logger.warning(words, extra={"action": "redis_awaited"})

    patience = Patience(settings.redis_wait_seconds, (exceptions.RedisError, OSError), say)
    allow_eviction = settings.allow_eviction
    return await_server(lambda: asyncio.run(read()), settings.redis_url, patience, allow_eviction=allow_eviction)


async def patiently(
    work: Callable[[], Awaitable[T]],
    *,
    seconds: float = DEADLINE_SECONDS,
    on_retry: Callable[[], None] = lambda: None,
) -> T:
    """Do `work`, again and again while the server is away, for at most so long; then its last error is raised.

    Only for work that may be repeated: reads, and scripts that know a repeat when they see it.
    """
    deadline = time.monotonic() + seconds
    pause = 0.05
    while True:
        try:
            return await work()
        except (exceptions.RedisError, RuntimeError) as error:
            if not is_away(error):
                raise
            if time.monotonic() + pause > deadline:
                raise exceptions.ConnectionError(str(error)) from error
        on_retry()
        await asyncio.sleep(random.uniform(pause / 2, pause))  # noqa: S311 - jitter, no secret
        pause = min(1.0, pause * 2)
