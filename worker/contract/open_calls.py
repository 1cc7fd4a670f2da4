"""Which agent and tool calls of a run are open, so that each can be closed whatever happens. No I/O."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from worker.contract.events import (
    AgentCancelled,
    AgentCompleted,
    AgentFailed,
    AgentStarted,
    Event,
    ToolCompleted,
    ToolExecuting,
)


class OpenTool(NamedTuple):
    call_id: str
    tool_name: str
    began_at: int
    event: ToolExecuting


class OpenAgent(NamedTuple):
    began_at: int
    event: AgentStarted


class OpenCalls:
    """Fed with every event of a run, in order."""

    def __init__(self, events: Iterable[Event] = ()) -> None:
        self._open: dict[str, OpenTool | OpenAgent] = {}
        for event in events:
            self.observe(event)

    def observe(self, event: Event) -> None:
        """Take note of an event that the log has."""
        match event:
            case AgentStarted():
                self._open[event.agent_call_id] = OpenAgent(event.at, event)
            case ToolExecuting():
                self._open[event.data.call_id] = OpenTool(event.data.call_id, event.data.tool_name, event.at, event)
            case ToolCompleted():
                self._open.pop(event.data.call_id, None)
            case AgentCompleted() | AgentFailed() | AgentCancelled():
                self._open.pop(event.agent_call_id, None)
            case _:
                pass

    def innermost_first(self) -> list[OpenTool | OpenAgent]:
        """What is open, in the order in which it must be closed: whatever began later is inside or beside."""
        return list(reversed(self._open.values()))
