"""What every run's story must satisfy, as assertions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from worker.contract.events import AgentStarted, Event, ToolCompleted, ToolExecuting


def assert_whole_story(events: Sequence[Event]) -> None:
    """Contiguous from 1, begun by the root's start, ended by exactly one last event, every tool call closed once."""
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert isinstance(events[0], AgentStarted)
    assert events[0].parent_call_id is None
    assert [event.terminal for event in events] == [False] * (len(events) - 1) + [True]
    assert events[-1].agent_call_id == events[0].agent_call_id
    begun = Counter(event.data.call_id for event in events if isinstance(event, ToolExecuting))
    ended = Counter(event.data.call_id for event in events if isinstance(event, ToolCompleted))
    assert begun == ended
    assert set(begun.values()) <= {1}


def types(events: Sequence[Event]) -> list[str]:
    """The types of the events, in order."""
    return [str(event.__struct_config__.tag) for event in events]


def tool_calls(events: Sequence[Event]) -> list[ToolCompleted]:
    """Every tool call as it ended."""
    return [event for event in events if isinstance(event, ToolCompleted)]
