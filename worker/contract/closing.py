"""How an end is told to whoever watches: the events that close what is open, innermost first, and the last one. No I/O.

Nothing may be left spinning, whoever ends a run: its worker, or a process that found it without one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal, NamedTuple

from worker.contract.errors import FailureCode
from worker.contract.events import (
    ROOT_CALL_ID,
    AgentCancelled,
    AgentCancelledData,
    AgentFailed,
    AgentFailedData,
    EnvelopeFields,
    Event,
    Failure,
    ToolCompleted,
    ToolCompletedData,
    ToolStatus,
)
from worker.contract.open_calls import OpenAgent, OpenCalls, OpenTool
from worker.contract.run import RunState


class End(NamedTuple):
    """Why a run ends other than well."""

    failure: Failure
    #: What its open tool calls become.
    tool_status: ToolStatus = "interrupted"
    #: Who stopped it; empty unless someone did.
    by: str = ""

    @property
    def state(self) -> Literal[RunState.FAILED, RunState.CANCELLED]:
        return RunState.CANCELLED if self.failure.code == FailureCode.CANCELLED else RunState.FAILED


def stopped(by: str) -> End:
    """The end of a run that someone did not want any more."""
    return End(Failure(code=FailureCode.CANCELLED, message="The run was stopped."), "cancelled", by)


def close_open_calls(
    open_calls: OpenCalls, end: End, *, now: int, envelope: Callable[[OpenTool | OpenAgent], EnvelopeFields]
) -> Iterator[Event]:
    """Give the events that close whatever is open below the root; `envelope` fills in the rest of each."""
    for item in open_calls.innermost_first():
        if isinstance(item, OpenTool):
            data = ToolCompletedData(
                call_id=item.call_id,
                tool_name=item.tool_name,
                status=end.tool_status,
                duration_ms=max(0, now - item.began_at),
                error=end.failure,
            )
            yield ToolCompleted(**envelope(item), data=data)
        elif item.event.agent_call_id != ROOT_CALL_ID:
            yield end_agent(envelope(item), end)


def end_agent(envelope: EnvelopeFields, end: End, *, terminal: bool = False) -> AgentFailed | AgentCancelled:
    """Give the event with which an agent call ends; `terminal` for the root's, the last of a run."""
    if end.state is RunState.CANCELLED:
        return AgentCancelled(**envelope, terminal=terminal, data=AgentCancelledData(by=end.by))
    return AgentFailed(**envelope, terminal=terminal, data=AgentFailedData(error=end.failure))
