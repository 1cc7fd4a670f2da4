"""How a run can end, as a table: what ends it, the state it gets, and what its open calls become. No I/O."""

from __future__ import annotations

from typing import NamedTuple

from worker.agent.invocation import AgentResult
from worker.contract.errors import FailureCode
from worker.contract.events import Failure, ToolStatus


class Completed(NamedTuple):
    result: AgentResult


class Failed(NamedTuple):
    failure: Failure
    #: What open tool calls are closed with.
    tool_status: ToolStatus = "interrupted"


class Cancelled(NamedTuple):
    by: str


class Lost(NamedTuple):
    """The attempt may not write any more, so nothing is said."""


Outcome = Completed | Failed | Cancelled | Lost

WORKER_STOPPED = Failed(
    Failure(
        code=FailureCode.WORKER_STOPPED,
        message="The server was restarted while the agent was working. Ask again to start over.",
        retryable=True,
    )
)
WORKER_LOST = Failed(
    Failure(
        code=FailureCode.WORKER_LOST,
        message="The process that was working on this stopped unexpectedly. Ask again to start over.",
        retryable=True,
    )
)


def unknown_agent(name: str) -> Failed:
    return Failed(Failure(code=FailureCode.UNKNOWN_AGENT, message=f"There is no agent named {name[:60]!r}."))


def timed_out(seconds: float) -> Failed:
    words = f"The agent took longer than {seconds:g} s and was stopped."
    return Failed(Failure(code=FailureCode.RUN_TIMEOUT, message=words, retryable=True))
