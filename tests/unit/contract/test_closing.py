from __future__ import annotations

from worker.contract.closing import End, close_open_calls, end_agent, stopped
from worker.contract.errors import FailureCode
from worker.contract.events import (
    AgentCancelled,
    AgentFailed,
    AgentStarted,
    AgentStartedData,
    EnvelopeFields,
    Event,
    Failure,
    ToolCompleted,
    ToolExecuting,
    ToolExecutingData,
)
from worker.contract.open_calls import OpenAgent, OpenCalls, OpenTool
from worker.contract.run import RunState

LOST = End(Failure(code=FailureCode.WORKER_LOST, message="Lost."))


def envelope(agent_call_id: str, *, attempt: int = 1) -> EnvelopeFields:
    return EnvelopeFields(
        run_id="run_1",
        thread_id="thr_1",
        attempt=attempt,
        agent_name=f"agent of {agent_call_id}",
        agent_call_id=agent_call_id,
        parent_call_id=agent_call_id.rpartition(".")[0] or None,
        at=100,
    )


def started(call: str) -> AgentStarted:
    return AgentStarted(**envelope(call), data=AgentStartedData(input="", model=None, tools=[]))


def executing(call: str, tool_call: str) -> ToolExecuting:
    data = ToolExecutingData(call_id=tool_call, tool_name="query", arguments={}, purpose=None)
    return ToolExecuting(**envelope(call), data=data)


def closed(events: list[Event], end: End) -> list[Event]:
    def of(item: OpenTool | OpenAgent) -> EnvelopeFields:
        return envelope(item.event.agent_call_id, attempt=2)

    return list(close_open_calls(OpenCalls(events), end, now=150, envelope=of))


def test_everything_open_below_the_root_is_closed_innermost_first() -> None:
    story = closed([started("a1"), started("a1.1"), executing("a1.1", "a1.1.t1"), executing("a1", "a1.t1")], LOST)

    assert [(type(event), event.agent_call_id, event.attempt) for event in story] == [
        (ToolCompleted, "a1", 2),
        (ToolCompleted, "a1.1", 2),
        (AgentFailed, "a1.1", 2),
    ]
    assert not any(event.terminal for event in story)


def test_a_tool_that_was_open_tells_how_long_and_why() -> None:
    [tool] = closed([started("a1"), executing("a1", "a1.t1")], LOST)

    assert isinstance(tool, ToolCompleted)
    assert (tool.data.call_id, tool.data.tool_name, tool.data.status, tool.data.duration_ms, tool.data.error) == (
        "a1.t1",
        "query",
        "interrupted",
        50,
        LOST.failure,
    )


def test_what_was_open_in_a_run_that_somebody_stopped_is_cancelled() -> None:
    tool, agent = closed([started("a1"), started("a1.1"), executing("a1.1", "a1.1.t1")], stopped("user"))

    assert isinstance(tool, ToolCompleted)
    assert (tool.data.status, tool.data.error) == ("cancelled", stopped("user").failure)
    assert isinstance(agent, AgentCancelled)
    assert agent.data.by == "user"


def test_a_run_ends_as_stopped_or_as_failed() -> None:
    assert stopped("user").state == RunState.CANCELLED
    assert LOST.state == RunState.FAILED

    last = end_agent(envelope("a1"), LOST, terminal=True)
    assert isinstance(last, AgentFailed)
    assert last.terminal
    assert last.data.error == LOST.failure
    assert isinstance(end_agent(envelope("a1"), stopped("user"), terminal=True), AgentCancelled)
