"""Counts what becomes of runs and of their attempts' events, by standing around an attempt's event sink."""

from __future__ import annotations

import time
from collections.abc import Set
from itertools import product

from worker.agent.ports import EventSink
from worker.agent.registry import AgentRegistry
from worker.contract.clock import now_ms
from worker.contract.closing import End
from worker.contract.events import AgentCancelled, AgentCompleted, AgentFailed, Event, ToolCompleted
from worker.contract.metric import UNKNOWN, Meter
from worker.contract.metrics import (
    ATTEMPTS_ENDED,
    ATTEMPTS_STARTED,
    FIRST_EVENT_SECONDS,
    QUEUE_SECONDS,
    RUN_SECONDS,
    RUNS_ENDED,
    RUNS_FAILED,
    TOOL_CALLS,
    WRITE_SECONDS,
)
from worker.contract.run import FINISHED_STATES, RunRecord, RunState
from worker.contract.scripts import NO_ENTRIES, Ending, Entries, ToolResult


class RunCounts:
    """Counts the runs of a process. Agents and tools are named by their registry only: a model may ask for any name."""

    def __init__(self, meter: Meter, registry: AgentRegistry) -> None:
        self._meter = meter
        self._registry = registry
        self._tools = frozenset(tool.name for definition in registry for tool in definition.tools)
        # Prometheus sees no rise in a series that appears with a 1.
        for agent, outcome in product((definition.name for definition in registry), FINISHED_STATES):
            meter.count(RUNS_ENDED, agent, outcome, by=0)
        for tool, status in product(self._tools, ("ok", "error")):
            meter.count(TOOL_CALLS, tool, status, by=0)

    def started(self, record: RunRecord) -> None:
        """An attempt was claimed."""
        kind = "first" if record.attempt == 1 else "again"
        self._meter.count(ATTEMPTS_STARTED, self._agent_of(record), kind)
        self._meter.observe(QUEUE_SECONDS, record.waited_ms / 1000)

    def sink_for(self, record: RunRecord, sink: EventSink) -> EventSink:
        """Count what an attempt writes to its sink."""
        return MeteredSink(sink, self._meter, record=record, agent=self._agent_of(record), tools=self._tools)

    def attempt_ended(self, outcome: str) -> None:
        self._meter.count(ATTEMPTS_ENDED, outcome)

    def run_ended(self, record: RunRecord, end: End) -> None:
        """A run was ended otherwise than by its attempt's last event."""
        self._meter.count(RUNS_ENDED, self._agent_of(record), end.state)
        self._meter.count(RUNS_FAILED, end.failure.code)

    def _agent_of(self, record: RunRecord) -> str:
        return record.agent if self._registry.get(record.agent) is not None else UNKNOWN


class MeteredSink:
    """The event sink of one attempt, which counts what the log has taken."""

    def __init__(self, sink: EventSink, meter: Meter, *, record: RunRecord, agent: str, tools: Set[str]) -> None:
        self._sink = sink
        self._meter = meter
        self._record = record
        self._agent = agent
        self._tools = tools
        self._is_first = not record.last_seq

    @property
    def written(self) -> int:
        return self._sink.written

    async def recover(self) -> None:
        await self._sink.recover()

    async def append(
        self,
        event: Event | None,
        *,
        ending: Ending | None = None,
        result: ToolResult | None = None,
        entries: Entries = NO_ENTRIES,
        quiet_seconds: float = 0.0,
    ) -> None:
        began_at = time.perf_counter()
        await self._sink.append(event, ending=ending, result=result, entries=entries, quiet_seconds=quiet_seconds)
        self._meter.observe(WRITE_SECONDS, time.perf_counter() - began_at)
        if event is not None:
            self._count(event)

    def _count(self, event: Event) -> None:
        if self._is_first:
            self._is_first = False
            self._meter.observe(FIRST_EVENT_SECONDS, _seconds_since(self._record.queued_at))
        match event:
            case ToolCompleted(data=data):
                self._meter.count(TOOL_CALLS, self._known(data.tool_name), data.status)
            case AgentCompleted(terminal=True) | AgentFailed(terminal=True) | AgentCancelled(terminal=True):
                self._count_end(event)

    def _count_end(self, event: AgentCompleted | AgentFailed | AgentCancelled) -> None:
        match event:
            case AgentCompleted():
                outcome = RunState.COMPLETED
            case AgentCancelled():
                outcome = RunState.CANCELLED
            case AgentFailed(data=data):
                outcome = RunState.FAILED
                self._meter.count(RUNS_FAILED, data.error.code)
        self._meter.count(RUNS_ENDED, self._agent, outcome)
        self._meter.observe(RUN_SECONDS, _seconds_since(self._record.started_at), self._agent)

    def _known(self, tool_name: str) -> str:
        return tool_name if tool_name in self._tools else UNKNOWN


def _seconds_since(moment_ms: int) -> float:
    """The server gave the moment; a clock that is behind it must not make the sum shrink."""
    return max(0, now_ms() - moment_ms) / 1000
