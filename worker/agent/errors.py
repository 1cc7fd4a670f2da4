"""Errors of the agent side.

AgentError                  carries a Failure for the person who watches
├── ModelError              the model or its endpoint
├── StepLimitReached        the agent asked for too many steps
├── EventLimitReached       the run wrote too many events
├── LogUnavailable          the log could not be reached within its deadline
├── DelegateFailed          an agent that was asked for help failed
└── ToolError               shown to the agent, which may go on
    ├── UnknownTool
    ├── InvalidArguments    the caller's fault
    ├── ToolTimeout
    ├── ToolDenied          a person said no, or nobody decided in time
    ├── ToolInterrupted     its worker died over it: nobody knows whether it happened
    └── ToolResultInvalid   the tool's fault
RegistrationError           a definition is wrong: our user's fault, found at start
RunGone                     no Exception, so that agent code cannot swallow it by accident
├── AttemptLost             another attempt owns the run, or it has ended; write nothing more
└── LogLost                 the server has lost a part of the run's log that cannot be written again
"""

from __future__ import annotations

from worker.contract.errors import FailureCode
from worker.contract.events import Failure


class AgentError(Exception):
    """Base class of what ends an agent call; the message is for the person who watches."""

    code = FailureCode.AGENT_ERROR
    retryable = False

    @property
    def failure(self) -> Failure:
        return Failure(code=self.code, message=str(self), retryable=self.retryable)


class ModelError(AgentError):
    """Raised when a model cannot answer; says why and whether asking again may help."""

    def __init__(self, code: FailureCode, message: str, *, retryable: bool) -> None:
        super().__init__(message)
        self.code = code
        self.retryable = retryable


class StepLimitReached(AgentError):
    """Raised when an agent has asked its model more often than allowed."""

    code = FailureCode.STEP_LIMIT


class EventLimitReached(AgentError):
    """Raised when a run has written more events than a log may hold."""

    code = FailureCode.EVENT_LIMIT


class LogUnavailable(AgentError):
    """Raised when the log could not be written within its deadline."""

    code = FailureCode.LOG_UNAVAILABLE
    retryable = True


class DelegateFailed(AgentError):
    """Raised in the agent that delegated, with the failure of the one that was asked."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.code = FailureCode(failure.code)
        self.retryable = failure.retryable


class ToolError(AgentError):
    """Raised to an agent when a tool call did not end well."""

    code = FailureCode.TOOL_ERROR


class UnknownTool(ToolError):
    """Raised when an agent asks for a tool that it does not have."""

    code = FailureCode.UNKNOWN_TOOL


class InvalidArguments(ToolError):
    """Raised when arguments do not fit the tool's signature."""

    code = FailureCode.INVALID_ARGUMENTS


class ToolTimeout(ToolError):
    """Raised when a tool took longer than it may."""

    code = FailureCode.TOOL_TIMEOUT
    retryable = True


class ToolDenied(ToolError):
    """Raised when a person did not allow the call, or nobody decided in time."""

    code = FailureCode.DENIED


class ToolInterrupted(ToolError):
    """Raised when an earlier attempt's worker was lost over the call."""

    code = FailureCode.INTERRUPTED


class ToolResultInvalid(ToolError):
    """Raised when a tool returned something that is not JSON, or too much of it."""

    code = FailureCode.TOOL_RESULT_INVALID


class RegistrationError(Exception):
    """Raised at start when a definition of an agent or tool cannot be used."""


class RunGone(BaseException):
    """Base class of what makes an attempt end without a word to its agent."""


class AttemptLost(RunGone):
    """Raised by a write that the log refused."""


class LogLost(RunGone):
    """Raised by a write when the server has lost a part of the log for good."""


def tool_error(failure: Failure) -> ToolError:
    """Make the error that an agent got when a tool call ended so."""
    kind = next((kind for kind in ToolError.__subclasses__() if kind.code == failure.code), ToolError)
    error = kind(failure.message)
    error.code, error.retryable = FailureCode(failure.code), failure.retryable
    return error
