from __future__ import annotations

from typing import Any

from worker.contract.events import (
    AgentCompleted,
    AgentCompletedData,
    AgentStarted,
    AgentStartedData,
    ToolCompleted,
    ToolCompletedData,
    ToolExecuting,
    ToolExecutingData,
    Usage,
)
from worker.contract.open_calls import OpenAgent, OpenCalls, OpenTool


def envelope(agent_call_id: str) -> dict[str, Any]:
    return {
        "run_id": "run_1",
        "thread_id": "thr_1",
        "attempt": 1,
        "agent_name": "data",
        "agent_call_id": agent_call_id,
        "parent_call_id": None,
        "at": 1,
    }


def agent_started(call: str) -> AgentStarted:
    return AgentStarted(**envelope(call), data=AgentStartedData(input="", model=None, tools=[]))


def tool_executing(call: str, tool_call: str) -> ToolExecuting:
    data = ToolExecutingData(call_id=tool_call, tool_name="query", arguments={}, purpose=None)
    return ToolExecuting(**envelope(call), data=data)


def tool_completed(call: str, tool_call: str) -> ToolCompleted:
    data = ToolCompletedData(call_id=tool_call, tool_name="query", status="ok", duration_ms=1)
    return ToolCompleted(**envelope(call), data=data)


def agent_completed(call: str) -> AgentCompleted:
    return AgentCompleted(**envelope(call), data=AgentCompletedData(result=None, duration_ms=1, usage=Usage()))


def ids(calls: OpenCalls) -> list[str]:
    return [
        item.call_id if isinstance(item, OpenTool) else item.event.agent_call_id for item in calls.innermost_first()
    ]


def test_what_began_last_is_closed_first() -> None:
    calls = OpenCalls([agent_started("a1"), agent_started("a1.1"), tool_executing("a1.1", "a1.1.t1")])

    assert ids(calls) == ["a1.1.t1", "a1.1", "a1"]
    assert isinstance(calls.innermost_first()[-1], OpenAgent)


def test_what_has_ended_is_not_open() -> None:
    calls = OpenCalls(
        [
            agent_started("a1"),
            agent_started("a1.1"),
            tool_executing("a1.1", "a1.1.t1"),
            tool_completed("a1.1", "a1.1.t1"),
            agent_completed("a1.1"),
        ]
    )

    assert ids(calls) == ["a1"]


def test_two_parallel_calls_of_one_tool_are_two() -> None:
    calls = OpenCalls([tool_executing("a1", "a1.t1"), tool_executing("a1", "a1.t2"), tool_completed("a1", "a1.t1")])

    assert ids(calls) == ["a1.t2"]
