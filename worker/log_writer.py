"""LogWriter: one attempt's writes, in order, each once, even if the server restarts without the last of them."""

from __future__ import annotations

import time
from collections import deque
from typing import Any, NamedTuple

from redis.asyncio import Redis
from redis.exceptions import RedisError

from worker.agent.errors import AttemptLost, LogLost, LogUnavailable
from worker.contract import codec, scripts
from worker.contract.cursor import new_tag
from worker.contract.events import Event
from worker.contract.metric import UNMETERED, Meter
from worker.contract.metrics import WRITES_RETRIED
from worker.contract.run import RunRecord
from worker.contract.scripts import NO_ENTRIES, NO_EVENT, Attempt, Ending, Entries, ScriptCall, ToolResult
from worker.redis_client import DEADLINE_SECONDS, is_away, patiently, run_script

#: What was written is kept for so long: an append-only file that is synced every second may lose the last of it.
KEEP_SECONDS = 2.0


class WriterSettings(NamedTuple):
    worker_id: str
    lease_ms: int
    #: The longest silence of an attempt, beside what its tools may take.
    silence_ms: int
    retention_ms: int
    meter: Meter = UNMETERED


class _Written(NamedTuple):
    number: int
    at: float
    call: ScriptCall


class LogWriter:
    """See `worker.agent.ports.EventSink`. One call at a time: the notifier's lock sees to that."""

    def __init__(self, client: Redis, record: RunRecord, settings: WriterSettings) -> None:
        self._client = client
        self._record = record
        self._attempt = attempt_of(record)
        self._settings = settings
        #: The last number that was answered.
        self.written = 0
        self._kept: deque[_Written] = deque()
        #: A write whose answer never came: sent again before any other, so that no number is skipped or used twice.
        self._unanswered: ScriptCall | None = None

    async def append(
        self,
        event: Event | None,
        *,
        ending: Ending | None = None,
        result: ToolResult | None = None,
        entries: Entries = NO_ENTRIES,
        quiet_seconds: float = 0.0,
    ) -> None:
        """Write one event, or only entries."""
        if self._unanswered is not None:
            await self._send(self._unanswered)
        call = scripts.append(
            self._attempt,
            number=self.written + 1,
            tag=new_tag(),
            draft=codec.encode_draft(event) if event is not None else NO_EVENT,
            retention_ms=self._settings.retention_ms,
            silence_ms=self._settings.silence_ms + round(quiet_seconds * 1000),
            ending=ending,
            result=result,
            entries=entries,
        )
        await self._send(call)

    async def recover(self) -> None:
        """Get back what the server has lost of this attempt, and write again what was written since.

        Raises:
            AttemptLost: Another attempt has the run, or it has ended.
            LogLost: More is lost than can be written again.
        """
        call = scripts.restore(
            self._attempt,
            base_seq=self._record.last_seq,
            worker_id=self._settings.worker_id,
            lease_ms=self._settings.lease_ms,
            silence_ms=self._settings.silence_ms,
            fields=record_fields(self._record),
        )
        status, *rest = await self._run(call)
        if status == b"lost":
            raise LogLost(f"run {self._attempt.run_id}: earlier events are gone")
        if status != b"ok":
            raise AttemptLost(f"run {self._attempt.run_id}, attempt {self._attempt.number}: {status.decode()}")
        missing = [written for written in self._kept if written.number > rest[0]]
        if self.written - rest[0] > len(missing):
            raise LogLost(f"run {self._attempt.run_id}: {self.written - rest[0]} writes are gone")
        for written in missing:
            await self._run(written.call)

    async def _send(self, call: ScriptCall) -> None:
        self._unanswered = call
        status, *_ = await self._run(call)
        if status in (b"missing", b"behind"):
            await self.recover()
            status, *_ = await self._run(call)
        self._unanswered = None
        if status != b"ok":
            raise AttemptLost(f"run {self._attempt.run_id}, attempt {self._attempt.number}: {status.decode()}")
        self.written += 1
        self._keep(call)

    async def _run(self, call: ScriptCall) -> list[Any]:
        try:
            answer: list[Any] = await patiently(
                lambda: run_script(self._client, call), on_retry=lambda: self._settings.meter.count(WRITES_RETRIED)
            )
        except RedisError as error:
            if not is_away(error):
                raise
            raise LogUnavailable(f"The event log could not be reached for {DEADLINE_SECONDS:g} s.") from error
        return answer

    def _keep(self, call: ScriptCall) -> None:
        now = time.monotonic()
        self._kept.append(_Written(self.written, now, call))
        while self._kept[0].at < now - KEEP_SECONDS:
            self._kept.popleft()


def attempt_of(record: RunRecord) -> Attempt:
    """Who may write a run that was just claimed."""
    return Attempt(record.run_id, record.attempt, record.token)


def record_fields(record: RunRecord) -> dict[str, str]:
    """What a run's record begins with, for one that the server has lost."""
    return {
        "thread_id": record.thread_id,
        "user_id": record.user_id,
        "agent": record.agent,
        "queue": record.queue,
        "traceparent": record.traceparent,
        "message": record.message,
        "losses": str(record.losses),
        "created_at": str(record.created_at),
        "queued_at": str(record.queued_at),
        "started_at": str(record.started_at),
    }
