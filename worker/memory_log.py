"""A log that keeps one process's runs in memory: for the quick wiring check and for tests of the engine without Redis.

It keeps the rules of the scripts that matter to an engine: dense numbers, one attempt at a time, nothing after the last
event, a journal that lives as long as the run.
"""

from __future__ import annotations

import msgspec

from worker.agent.context import Turn
from worker.agent.errors import AttemptLost
from worker.contract.approvals import Approval, Verdict, read_approvals
from worker.contract.clock import now_ms
from worker.contract.closing import End
from worker.contract.codec import encode
from worker.contract.cursor import Cursor, new_tag
from worker.contract.events import Event
from worker.contract.run import RunRecord, RunState
from worker.contract.scripts import NO_ENTRIES, Ending, Entries, ToolResult
from worker.outcomes import Released
from worker.running import Left


class MemoryLog:
    """Runs and their events by run id. See `worker.engine.RunStore`."""

    def __init__(self) -> None:
        self.records: dict[str, RunRecord] = {}
        self.stories: dict[str, list[Event]] = {}
        self.journals: dict[str, dict[str, bytes]] = {}
        self.approvals: dict[str, dict[bytes, bytes]] = {}
        self.results: dict[tuple[str, str], bytes] = {}
        self.turns: list[Turn] = []
        #: Runs that were ended over the head of their attempt, and how.
        self.concluded: dict[str, End] = {}

    def create(
        self, run_id: str, *, agent: str, message: str, user_id: str = "usr_test", thread_id: str = "thr_test"
    ) -> None:
        self.stories[run_id] = []
        self.journals[run_id] = {}
        self.approvals[run_id] = {}
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
        return self.change(run_id, state=RunState.RUNNING, attempt=record.attempt + 1, token=new_tag())

    def writer(self, record: RunRecord) -> MemoryWriter:
        return MemoryWriter(self, record)

    async def left(self, record: RunRecord) -> Left:
        run_id = record.run_id
        return Left(list(self.stories[run_id]), dict(self.journals[run_id]), self.approvals_of(run_id))

    async def tool_result(self, run_id: str, call_id: str) -> bytes:
        return self.results[run_id, call_id]

    async def events(self, run_id: str) -> list[Event]:
        return list(self.stories[run_id])

    async def history(self, record: RunRecord) -> list[Turn]:
        return self.turns

    async def release(self, record: RunRecord, released: Released) -> None:
        self.change(record.run_id, state=released.state, resume_reason=released.reason)

    async def conclude(self, record: RunRecord, end: End) -> bool:
        self.concluded[record.run_id] = end
        return True

    async def retire(self, record: RunRecord) -> None:
        """Nothing is listed here."""

    def requeue(self, run_id: str, reason: str = "The worker was lost.") -> None:
        """As after a worker's death: the next claim is a new attempt."""
        self.change(run_id, state=RunState.QUEUED, resume_reason=reason)

    def approvals_of(self, run_id: str) -> dict[str, Approval]:
        return read_approvals(self.approvals[run_id])

    def decide(self, run_id: str, call_id: str, verdict: Verdict) -> None:
        """As when a person has decided: the run goes on."""
        self.approvals[run_id][f"{call_id}:decision".encode()] = encode(verdict)
        self.change(run_id, state=RunState.QUEUED)

    def add(
        self, mine: RunRecord, event: Event | None, ending: Ending | None, result: ToolResult | None, entries: Entries
    ) -> None:
        run_id = mine.run_id
        record = self.records[run_id]
        if (record.attempt, record.token) != (mine.attempt, mine.token) or record.state != RunState.RUNNING:
            raise AttemptLost(f"run {run_id} is {record.state} in attempt {record.attempt}")
        self.journals[run_id].update(entries.journal)
        self.approvals[run_id].update({name.encode(): raw for name, raw in entries.approvals.items()})
        if result is not None:
            self.results[run_id, result.call_id] = result.body
        if event is not None:
            cursor = Cursor(record.last_seq + 1, new_tag())
            self.stories[run_id].append(msgspec.structs.replace(event, seq=cursor.seq, cursor=str(cursor)))
            self.change(run_id, last_seq=cursor.seq, last_cursor=str(cursor))
        if ending is not None:
            self.change(run_id, state=ending.state, answer=ending.answer, usage=ending.usage, ended_at=now_ms())

    def change(self, run_id: str, **fields: object) -> RunRecord:
        record = self.records[run_id] = msgspec.structs.replace(self.records[run_id], **fields)
        return record


class MemoryWriter:
    """One attempt's writer. See `worker.agent.ports.EventSink`."""

    def __init__(self, log: MemoryLog, record: RunRecord) -> None:
        self._log = log
        self._record = record
        self.written = 0

    async def append(
        self,
        event: Event | None,
        *,
        ending: Ending | None = None,
        result: ToolResult | None = None,
        entries: Entries = NO_ENTRIES,
        quiet_seconds: float = 0.0,
    ) -> None:
        self._log.add(self._record, event, ending, result, entries)
        self.written += 1

    async def recover(self) -> None:
        """Nothing is lost here."""
