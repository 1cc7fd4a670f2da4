"""Runs that have ended and whose outcome nobody has seen yet, in Redis: taken when they are due, on an event loop."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError

from worker.contract import codec, keys, scripts
from worker.contract.connections import COURIER
from worker.contract.errors import DecodeError
from worker.contract.events import AgentFailed, Failure
from worker.contract.run import RunRecord, RunState, decode_run

_TIMEOUT_SECONDS = 2.0
#: All of a round's commands in front, each of which may time out.
_POOL_SECONDS = 20.0
#: Some 10 MB of run ids; only a receiver that is away for long lets so many gather.
_MAX_LISTED = 100_000


class Taken(NamedTuple):
    run_ids: list[str]
    #: Runs that nobody will be told of, since too many were listed.
    dropped: int


class Case(NamedTuple):
    """One run whose outcome may have to be told."""

    #: Whether to tell, or why not: see `scripts.begin_webhook`.
    word: Literal["try", "gone", "seen", "told", "spent"]
    #: Number of this try, from 1; 0 when there is none.
    number: int = 0
    record: RunRecord | None = None


class UnseenRuns:
    """The list of all web processes. Every method raises what the client raises when Redis is away.

    Args:
        hidden_ms: A run that was taken is out of others' sight for so long.
    """

    def __init__(self, redis_url: str, *, hidden_ms: int) -> None:
        pool = redis.asyncio.BlockingConnectionPool.from_url(
            redis_url,
            # A round's few commands wait for each other.
            max_connections=COURIER,
            timeout=_POOL_SECONDS,
            socket_timeout=_TIMEOUT_SECONDS,
            socket_connect_timeout=_TIMEOUT_SECONDS,
            # A try that was counted without our hearing of it is lost, not made twice.
            retry=Retry(NoBackoff(), 0),
            protocol=2,
        )
        self._client: redis.asyncio.Redis = redis.asyncio.Redis.from_pool(pool)
        self._hidden_ms = hidden_ms

    async def take(self, *, delay_ms: int, limit: int) -> Taken:
        """Take runs that ended `delay_ms` ago, or whose next try is due."""
        call = scripts.take_unseen(delay_ms=delay_ms, hidden_ms=self._hidden_ms, limit=limit, keep=_MAX_LISTED)
        dropped, run_ids = await self._run(call)
        return Taken([run_id.decode() for run_id in run_ids], dropped)

    async def begin(self, run_id: str, *, tries: int) -> Case:
        """Count a try, if there is still need for one and not all `tries` have been made."""
        word, *rest = await self._run(scripts.begin_webhook(run_id, tries=tries))
        if not rest:
            return Case(word.decode())
        number, fields = rest
        return Case("try", number, decode_run(run_id, dict(zip(fields[::2], fields[1::2], strict=True))))

    async def failure_of(self, record: RunRecord) -> Failure | None:
        """Read why a run failed, from its last event; None when it did not, or that is not readable."""
        if record.state is not RunState.FAILED:
            return None
        entries: Any = await self._client.xrevrange(keys.log(record.run_id), count=1)
        try:
            event = codec.decode(entries[0][1][codec.ENTRY_FIELD])
        except (DecodeError, IndexError, KeyError):
            return None
        return event.data.error if isinstance(event, AgentFailed) else None

    async def note_told(self, run_id: str) -> None:
        """The webhook has taken it: whoever lists the run again changes nothing."""
        await self._run(scripts.end_webhook(run_id))

    async def put_off(self, run_id: str, *, seconds: float) -> None:
        """Let a run that was taken come back so many seconds after that."""
        change = round(seconds * 1000) - self._hidden_ms
        await self._client.zadd(keys.RUNS_UNSEEN, {run_id: change}, xx=True, incr=True)

    async def forget(self, run_id: str) -> None:
        """Nothing is left to tell of this run."""
        await self._client.zrem(keys.RUNS_UNSEEN, run_id)

    async def forget_all(self) -> None:
        """Nobody is told of anything."""
        await self._client.unlink(keys.RUNS_UNSEEN)

    async def aclose(self) -> None:
        await self._client.aclose()

    async def _run(self, call: scripts.ScriptCall) -> Any:
        try:
            return await self._client.evalsha(call.script.sha, len(call.keys), *call.keys, *call.args)
        except NoScriptError:
            return await self._client.eval(call.script.source, len(call.keys), *call.keys, *call.args)
