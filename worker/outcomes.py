"""How an attempt at a run can end, as a table: what ends it, and what becomes of the run. No I/O."""

from __future__ import annotations

from typing import Literal, NamedTuple

from worker.contract.closing import End
from worker.contract.errors import FailureCode
from worker.contract.events import AgentCompletedData, Failure
from worker.contract.run import RunState


class Completed(NamedTuple):
    data: AgentCompletedData


class Released(NamedTuple):
    """The run goes on in another attempt: at once, or when a person has decided."""

    state: Literal[RunState.QUEUED, RunState.WAITING]
    #: What viewers are told of it when it goes on; empty for nothing.
    reason: str = ""


class Lost(NamedTuple):
    """The attempt may not write any more, so nothing is said."""


class Vanished(NamedTuple):
    """The server has lost a part of the run's log that nobody can write again."""


Outcome = Completed | End | Released | Lost | Vanished

WORKER_STOPPED = Released(RunState.QUEUED, "The server was restarted; another process goes on with this.")
WAITS_FOR_PERSON = Released(RunState.WAITING)


def failed(code: FailureCode, message: str, *, retryable: bool = False) -> End:
    return End(Failure(code=code, message=message, retryable=retryable))


LOG_LOST = failed(
    FailureCode.LOG_LOST, "The server's store has lost steps of this run. Ask again to start over.", retryable=True
)


def unknown_agent(name: str) -> End:
    return failed(FailureCode.UNKNOWN_AGENT, f"There is no agent named {name[:60]!r}.")


def timed_out(seconds: float) -> End:
    return failed(FailureCode.RUN_TIMEOUT, f"The agent took longer than {seconds:g} s and was stopped.", retryable=True)


def mismatch(words: str) -> End:
    """The agent's code has changed between two attempts."""
    text = f"The agent was changed while it was working, so it cannot go on where it stopped. {words}"
    return failed(FailureCode.JOURNAL_MISMATCH, text, retryable=True)
