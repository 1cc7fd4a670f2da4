"""Redis clients of the worker, how a script call is made with one, and what to do while the server is away."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from redis import exceptions
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from worker.contract.scripts import ScriptCall
from worker.contract.server import read_facts, refusal_of, warning_of

T = TypeVar("T")


class ServerUnfit(Exception):
    """Raised at start when the server's settings would lose runs; the message says which, and what to do."""


#: Runs share the pool; a script holds a connection for well under a millisecond.
_MAX_CONNECTIONS = 16
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
    except exceptions.NoScriptError:
        return await client.eval(call.script.source, len(call.keys), *call.keys, *call.args)


async def run_commands(client: Redis, commands: Sequence[Sequence[str | int]]) -> list[Any]:
    """Make these commands in one round trip."""
    async with client.pipeline(transaction=False) as pipe:
        for command in commands:
            pipe.execute_command(*command)
        return list(await pipe.execute())


async def check_server(client: Redis, *, allow_eviction: bool) -> str | None:
    """Look at the server's settings; answers a warning, or None.

    Raises:
        ServerUnfit: It may throw keys away, and nobody said that this is all right.
    """
    info: Any = await client.info()
    try:
        found: Any = await client.config_get("save")
    except exceptions.ResponseError:
        # Managed servers keep CONFIG to themselves.
        found = {}
    facts = read_facts(info, found.get("save"))
    if refusal := refusal_of(facts, allow_eviction=allow_eviction):
        raise ServerUnfit(refusal)
    return warning_of(facts)


async def patiently(work: Callable[[], Awaitable[T]], *, seconds: float = DEADLINE_SECONDS) -> T:
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
        await asyncio.sleep(random.uniform(pause / 2, pause))  # noqa: S311 - jitter, no secret
        pause = min(1.0, pause * 2)
