"""The log: claims runs and writes what belongs to them, one script call each.

A write is tried again with the same producer number until the deadline, so a lost reply never makes a second event.
While Redis is away the run waits here, which is the back-pressure: a run has at most one write under way and one text
pending.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from enum import Enum
from typing import Any, NamedTuple, TypeVar

from redis.asyncio import Redis
from redis.exceptions import RedisError

from worker.agent.context import Turn
from worker.agent.errors import LogLost
from worker.contract import keys, scripts
from worker.contract.approvals import read_approvals
from worker.contract.closing import End
from worker.contract.cursor import new_tag
from worker.contract.events import Event
from worker.contract.run import RunRecord, decode_run
from worker.log_writer import LogWriter, WriterSettings, attempt_of, record_fields
from worker.outcomes import Released
from worker.reaping.asks import Commands, Ring, Work
from worker.reaping.ending import bury, conclude, read_events, retire
from worker.redis_client import patiently, run_commands, run_script
from worker.running import Left

T = TypeVar("T")

#: Between two bells that come to the one worker that should not have the run.
_PASS_ON_SECONDS = 0.2
#: Earlier turns of a thread that a run is told of.
MAX_HISTORY = 20


class Hold(Enum):
    """How an attempt stands with the server."""

    HELD = b"ok"
    #: Another attempt holds the run, or it has ended.
    LOST = b"lost"
    #: The server has lost the claim, or writes.
    BEHIND = b"behind"


class Lease(NamedTuple):
    """The answer to a renewal."""

    hold: Hold
    #: Who asked for a stop, empty when no one did.
    cancel_by: str


class RunLog:
    """Everything that a worker does with runs in Redis. For the worker's event loop.

    Args:
        ring: sends the doorbell message of a run to a queue; must not raise.
    """

    def __init__(
        self, client: Redis, settings: WriterSettings, *, ring: Callable[[str, str, str], Awaitable[None]]
    ) -> None:
        self._client = client
        self._settings = settings
        self._ring = ring

    async def claim(self, run_id: str) -> RunRecord | None:
        """Take the run's next attempt; None when there is nothing to do: it is finished, held by another worker, not
        yet due, not the first of its thread, or unknown.
        """
        if not await patiently(lambda: self._is_first(run_id)):
            return None
        settings = self._settings
        call = scripts.claim(
            run_id,
            worker_id=settings.worker_id,
            token=new_tag() + new_tag(),
            lease_ms=settings.lease_ms,
            silence_ms=settings.silence_ms,
        )
        answer: list[Any] = await patiently(lambda: run_script(self._client, call))
        match answer:
            case [b"ok", flat]:
                return decode_run(run_id, dict(zip(flat[::2], flat[1::2], strict=True)))
            case [b"shunned", queue, agent]:
                # The bell was for another worker, which may hear the next one.
                await asyncio.sleep(_PASS_ON_SECONDS)
                await self._ring(run_id, (queue or b"").decode(), agent.decode())
        return None

    def writer(self, record: RunRecord) -> LogWriter:
        """Make the writer of a claimed attempt."""
        return LogWriter(self._client, record, self._settings)

    async def renew(self, held: Iterable[tuple[RunRecord, int]]) -> dict[str, Lease]:
        """Prolong the leases of all these runs (record, last producer number that was answered) in one round trip.

        Lists them as unfinished anew as well, which a server may have lost.
        """
        runs = list(held)
        if not runs:
            return {}
        calls = [
            scripts.renew(attempt_of(record), written=written, lease_ms=self._settings.lease_ms)
            for record, written in runs
        ]
        async with self._client.pipeline(transaction=False) as pipe:
            pipe.script_load(calls[0].script.source)
            for call in calls:
                pipe.evalsha(call.script.sha, len(call.keys), *call.keys, *call.args)
            pipe.zadd(keys.RUNS_LIVE, {record.run_id: record.created_at for record, _ in runs}, nx=True)
            _, *answers, _ = await pipe.execute()
        return {record.run_id: _lease(answer) for (record, _), answer in zip(runs, answers, strict=True)}

    async def left(self, record: RunRecord) -> Left:
        """Read what earlier attempts at a run have left."""
        events = await self.work(read_events(record.run_id))
        journal: Any = await patiently(lambda: self._client.hgetall(keys.journal(record.run_id)))
        approvals: Any = await patiently(lambda: self._client.hgetall(keys.approvals(record.run_id)))
        entries = {field.decode(): raw for field, raw in journal.items()}
        return Left(events, entries, read_approvals(approvals))

    async def events(self, run_id: str) -> list[Event]:
        """Read a run's story."""
        return await self.work(read_events(run_id))

    async def tool_result(self, run_id: str, call_id: str) -> bytes:
        """Read a tool result that is stored under a key of its own.

        Raises:
            LogLost: It is not there any more.
        """
        found: Any = await patiently(lambda: self._client.get(keys.tool_result(run_id, call_id)))
        if found is None:
            raise LogLost(f"run {run_id}: the result of {call_id} is gone")
        return bytes(found)

    async def history(self, record: RunRecord) -> list[Turn]:
        """Read the earlier turns of the run's thread, oldest first."""
        return await patiently(lambda: self._history(record))

    async def release(self, record: RunRecord, released: Released) -> None:
        """Give an attempt back, and ring if the run can go on at once."""
        call = scripts.release(attempt_of(record), state=released.state, reason=released.reason)
        if await patiently(lambda: run_script(self._client, call)) == b"queued":
            await self._ring(record.run_id, record.queue, record.agent)

    async def conclude(self, record: RunRecord, end: End) -> bool:
        """End a run whose log is not what the attempt has written, or is gone; False if others did before."""
        retention_ms = self._settings.retention_ms
        if await self.work(bury(record, end, retention_ms=retention_ms, fields=record_fields(record))):
            return True
        ended: list[RunRecord] = []
        await self.work(conclude(record.run_id, end, retention_ms=retention_ms, is_idle=False, on_end=ended.append))
        return bool(ended)

    async def retire(self, record: RunRecord) -> None:
        """Take a finished run off the lists of unfinished ones, and ring for the next one of its thread."""
        # The reaper does it when the server is back.
        with suppress(RedisError):
            await self.work(retire(record))

    async def work(self, work: Work[T]) -> T:
        """Carry out a piece of the reaper's work; waits while the server is away."""
        answer: Any = None
        while True:
            try:
                ask = work.send(answer)
            except StopIteration as done:
                result: T = done.value
                return result
            match ask:
                case Commands(commands):
                    answer = await patiently(lambda some=commands: run_commands(self._client, some))  # type: ignore[misc]
                case Ring(run_id, queue, agent):
                    await self._ring(run_id, queue, agent)
                case call:
                    answer = await patiently(lambda one=call: run_script(self._client, one))  # type: ignore[misc]

    async def _is_first(self, run_id: str) -> bool:
        thread_id: Any = await self._client.hget(keys.run(run_id), "thread_id")
        if thread_id is None:
            return False
        first: Any = await self._client.lindex(keys.thread_queue(thread_id.decode()), 0)
        # A run that nobody has put into a queue waits for nobody.
        return first is None or first.decode() == run_id

    async def _history(self, record: RunRecord) -> list[Turn]:
        runs = keys.thread_runs(record.thread_id)
        place: Any = await self._client.zrevrank(runs, record.run_id)
        if place is None:
            return []
        newest: Any = await self._client.zrevrange(runs, place + 1, place + MAX_HISTORY)
        async with self._client.pipeline(transaction=False) as pipe:
            for run_id in reversed(newest):
                pipe.hmget(keys.run(run_id.decode()), "message", "answer")
            rows = await pipe.execute()
        return [Turn(message.decode(), (answer or b"").decode()) for message, answer in rows if message is not None]


def _lease(answer: Iterable[bytes]) -> Lease:
    status, *rest = answer
    return Lease(Hold(status), rest[0].decode() if rest else "")
