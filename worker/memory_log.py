"""A log that keeps one process's runs in memory: for the quick wiring check and for tests of the engine without Redis.

It keeps the rules of the scripts that matter to a writer: dense numbers, one attempt at a time, nothing after the last
event.
"""

from __future__ import annotations

import msgspec

from worker.agent.context import Turn
from worker.agent.errors import AttemptLost
from worker.agent.notifier import now_ms
from worker.contract.cursor import Cursor, new_tag
from worker.contract.events import Event
from worker.contract.run import RunRecord, RunState
from worker.contract.scripts import Appended, Ending, ToolResult


class MemoryLog:
    """Runs and their events by run id. See `worker.engine.RunStore`."""

    def __init__(self) -> None:
        self.records: dict[str, RunRecord] = {}
        self.stories: dict[str, list[Event]] = {}
        self.results: dict[tuple[str, str], bytes] = {}
        self.turns: list[Turn] = []

    def create(
        self, run_id: str, *, agent: str, message: str, user_id: str = "usr_test", thread_id: str = "thr_test"
    ) -> None:
        self.stories[run_id] = []
        self.records[run_id] = RunRecord(
            run_id=run_id,
            thread_id=thread_id,
            user_id=user_id,
            agent=agent,
            message=message,
            state=RunState.QUEUED,
            created_at=now_ms(),
        )

    async def claim(self, run_id: str) -> RunRecord | None:
        record = self.records.get(run_id)
        if record is None or record.state != RunState.QUEUED:
            return None
        return self._change(run_id, state=RunState.RUNNING, attempt=record.attempt + 1)

    def writer(self, record: RunRecord) -> MemoryWriter:
        return MemoryWriter(self, record.run_id, record.attempt)

    async def events(self, run_id: str) -> list[Event]:
        return list(self.stories[run_id])

    async def history(self, record: RunRecord) -> list[Turn]:
        return self.turns

    async def forget_live(self, record: RunRecord) -> None:
        """Nothing is listed here."""

    def requeue(self, run_id: str) -> None:
        """As after a worker's death: the next claim is a new attempt."""
        self._change(run_id, state=RunState.QUEUED)

    def add(self, run_id: str, attempt: int, event: Event, ending: Ending | None) -> Appended:
        record = self.records[run_id]
        if record.attempt != attempt or record.is_finished:
            raise AttemptLost(f"run {run_id} is {record.state} in attempt {record.attempt}")
        cursor = Cursor(record.last_seq + 1, new_tag())
        self.stories[run_id].append(msgspec.structs.replace(event, seq=cursor.seq, cursor=str(cursor)))
        self._change(run_id, last_seq=cursor.seq, last_cursor=str(cursor))
        if ending is not None:
            self._change(run_id, state=ending.state, answer=ending.answer, usage=ending.usage, ended_at=now_ms())
        return Appended(cursor.seq, str(cursor))

    def _change(self, run_id: str, **fields: object) -> RunRecord:
        record = self.records[run_id] = msgspec.structs.replace(self.records[run_id], **fields)
        return record


class MemoryWriter:
    """One attempt's writer. See `worker.agent.ports.EventSink`."""

    def __init__(self, log: MemoryLog, run_id: str, attempt: int) -> None:
        self._log = log
        self._run_id = run_id
        self._attempt = attempt

    async def append(self, event: Event, *, ending: Ending | None = None, result: ToolResult | None = None) -> Appended:
        place = self._log.add(self._run_id, self._attempt, event, ending)
        if result is not None:
            self._log.results[self._run_id, result.call_id] = result.body
        return place
