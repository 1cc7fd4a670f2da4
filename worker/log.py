"""The log: claims runs and writes their events, one script call each.

A write is tried again with the same producer number until the deadline, so a lost reply never makes a second event.
While Redis is away the run waits here, which is the back-pressure: a run has at most one write under way and one text
pending.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

from redis.asyncio import Redis
from redis.exceptions import RedisError

from worker.agent.context import Turn
from worker.agent.errors import AttemptLost, LogUnavailable
from worker.contract import codec, keys, scripts
from worker.contract.cursor import new_tag
from worker.contract.errors import DecodeError
from worker.contract.events import Event
from worker.contract.run import RunRecord, decode_run
from worker.contract.scripts import Appended, Ending, ToolResult
from worker.redis_client import is_away, patiently, run_script

#: A restart of Redis with its data takes seconds; a person waits about this long before giving up.
DEADLINE_SECONDS = 30.0
#: Longer than the time between two renewals, so that a holder who could not reach the server gets to renew first.
SECOND_LOOK_SECONDS = 4.0
#: Earlier turns of a thread that a run is told of.
MAX_HISTORY = 20
_PAGE = 500


class Lease(NamedTuple):
    """The answer to a renewal."""

    #: False: another attempt holds the run, or it has ended.
    held: bool
    #: Who asked for a stop, empty when no one did.
    cancel_by: str


class RunLog:
    """Everything that a worker does with runs in Redis. For the worker's event loop."""

    def __init__(self, client: Redis, *, worker_id: str, lease_ms: int, retention_ms: int) -> None:
        self._client = client
        self._worker_id = worker_id
        self._lease_ms = lease_ms
        self._retention_ms = retention_ms

    async def claim(self, run_id: str) -> RunRecord | None:
        """Take the run's next attempt; None when there is nothing to do (finished, held by a live worker, unknown).

        A lapsed lease is looked at twice, some seconds apart: after an outage of the server its holder may be well.
        """
        answer = await self._claim(run_id, again=False)
        if answer[0] == b"lapsed":
            await asyncio.sleep(SECOND_LOOK_SECONDS)
            answer = await self._claim(run_id, again=True)
        if answer[0] != b"ok":
            return None
        flat: list[bytes] = answer[1]
        return decode_run(run_id, dict(zip(flat[::2], flat[1::2], strict=True)))

    def writer(self, record: RunRecord) -> LogWriter:
        """Make the writer of a claimed attempt."""
        return LogWriter(self._client, record.run_id, attempt=record.attempt, retention_ms=self._retention_ms)

    async def renew(self, attempts: Mapping[str, int]) -> dict[str, Lease]:
        """Prolong the leases of all these runs (run id to attempt) in one round trip."""
        calls = [scripts.renew(run_id, attempt=n, lease_ms=self._lease_ms) for run_id, n in attempts.items()]
        if not calls:
            return {}
        async with self._client.pipeline(transaction=False) as pipe:
            pipe.script_load(calls[0].script.source)
            for call in calls:
                pipe.evalsha(call.script.sha, len(call.keys), *call.keys, *call.args)
            _, *answers = await pipe.execute()
        return {run_id: _lease(answer) for run_id, answer in zip(attempts, answers, strict=True)}

    async def events(self, run_id: str) -> list[Event]:
        """Read a run's story, but for events of a newer version that this one does not know."""
        found: list[Event] = []
        start = "-"
        while True:
            page = await self._page(run_id, start)
            for _, fields in page:
                with suppress(DecodeError):
                    found.append(codec.decode(fields[codec.ENTRY_FIELD]))
            if len(page) < _PAGE:
                return found
            start = f"({page[-1][0].decode()}"

    async def history(self, record: RunRecord) -> list[Turn]:
        """Read the earlier turns of the run's thread, oldest first."""
        return await patiently(lambda: self._history(record), seconds=DEADLINE_SECONDS)

    async def forget_live(self, record: RunRecord) -> None:
        """Take a finished run out of the lists of unfinished ones."""
        await self._client.zrem(keys.RUNS_LIVE, record.run_id)
        await self._client.zrem(keys.user_live(record.user_id), record.run_id)

    async def _claim(self, run_id: str, *, again: bool) -> list[Any]:
        call = scripts.claim(run_id, worker_id=self._worker_id, lease_ms=self._lease_ms, again=again)
        answer: list[Any] = await patiently(lambda: run_script(self._client, call), seconds=DEADLINE_SECONDS)
        return answer

    async def _page(self, run_id: str, start: str) -> Any:
        read = self._client.xrange
        return await patiently(lambda: read(keys.log(run_id), min=start, count=_PAGE), seconds=DEADLINE_SECONDS)

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


class LogWriter:
    """Writes one attempt's events. One call at a time: the notifier's lock sees to that."""

    def __init__(self, client: Redis, run_id: str, *, attempt: int, retention_ms: int) -> None:
        self._client = client
        self._run_id = run_id
        self._attempt = attempt
        self._retention_ms = retention_ms
        self._number = 0
        #: A write whose answer never came: sent again before any other, so that no number is skipped or used twice.
        self._unanswered: scripts.ScriptCall | None = None

    async def append(self, event: Event, *, ending: Ending | None = None, result: ToolResult | None = None) -> Appended:
        """Write one event; see `worker.agent.ports.EventSink`."""
        if self._unanswered is not None:
            await self._send(self._unanswered)
        call = scripts.append(
            self._run_id,
            attempt=self._attempt,
            number=self._number + 1,
            tag=new_tag(),
            draft=codec.encode_draft(event),
            retention_ms=self._retention_ms,
            ending=ending,
            result=result,
        )
        return await self._send(call)

    async def _send(self, call: scripts.ScriptCall) -> Appended:
        self._unanswered = call
        try:
            status, *place = await patiently(lambda: run_script(self._client, call), seconds=DEADLINE_SECONDS)
        except RedisError as error:
            if not is_away(error):
                raise
            words = f"The event log could not be reached for {DEADLINE_SECONDS:g} s."
            raise LogUnavailable(words) from error
        self._unanswered = None
        self._number += 1
        if status != b"ok":
            raise AttemptLost(f"run {self._run_id}, attempt {self._attempt}: {status.decode()}")
        return Appended(place[0], place[1].decode())


def _lease(answer: Iterable[bytes]) -> Lease:
    status, *rest = answer
    return Lease(status == b"ok", rest[0].decode() if rest else "")
