"""A run that this process works on: what earlier attempts have left, what this one writes with, the wish to end it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import NamedTuple

from worker.agent.calls import AgentCall
from worker.agent.errors import AttemptLost, LogLost, LogUnavailable
from worker.agent.gate import Gate
from worker.agent.journal import Journal
from worker.agent.notifier import Notifier
from worker.agent.ports import EventSink
from worker.agent.redaction import Redactor
from worker.agent.told import Told
from worker.contract.approvals import Approval
from worker.contract.events import ROOT_CALL_ID, Event
from worker.contract.open_calls import OpenCalls
from worker.contract.run import RunRecord
from worker.outcomes import Lost, Outcome, Vanished, mismatch


class Left(NamedTuple):
    """What earlier attempts at a run have left."""

    events: list[Event]
    journal: Mapping[str, bytes]
    approvals: Mapping[str, Approval]


class RunningRun:
    """A run that this process works on: what its attempt writes with, and the wish to end it."""

    def __init__(self, record: RunRecord, left: Left, writer: EventSink, redactor: Redactor) -> None:
        self.record = record
        self.left = left
        self.journal = Journal(left.journal)
        self.gate = Gate(self.journal, on_mismatch=lambda words: self.end(mismatch(words)))
        self.notifier = Notifier(
            writer,
            run_id=record.run_id,
            thread_id=record.thread_id,
            attempt=record.attempt,
            redactor=redactor,
            told=Told(left.events, self.journal.models.keys()),
        )
        self.notifier.open_calls = OpenCalls(left.events)
        self.root = AgentCall(record.agent, ROOT_CALL_ID)
        self.stop: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self.done = asyncio.Event()
        #: Someone rang for the run while it was here: it may be in the queue again, and this attempt lost.
        self.is_rung = False
        self._writer = writer

    def end(self, outcome: Outcome) -> None:
        """Ask for an end; the first wish counts."""
        if not self.stop.done():
            self.stop.set_result(outcome)

    @property
    def written(self) -> int:
        """The last producer number that the log has answered."""
        return self._writer.written

    async def recover(self) -> None:
        """Write again what the server has lost of this attempt."""
        try:
            await self.notifier.recover()
        except (AttemptLost, LogUnavailable):
            self.end(Lost())
        except LogLost:
            self.end(Vanished())
