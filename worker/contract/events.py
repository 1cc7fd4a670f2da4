"""The events of a run, contract version 1: one closed, tagged union.

An event is made by the producer with `seq` 0 and an empty `cursor`; the `append` script gives it both. Field order
matters: `codec.peek` reads `type`, `seq`, `cursor` and `terminal` from the front of the JSON text without decoding the
rest.
"""

from __future__ import annotations

from typing import Any, Literal, TypedDict

import msgspec

CONTRACT_VERSION = 1

#: `agent_call_id` of a run's root agent. A delegate of it is `a1.1`, a tool call of it `a1.t1`.
ROOT_CALL_ID = "a1"
#: What an event shows of a message or task.
MAX_INPUT_CHARACTERS = 500

#: A JSON value of any shape. Tool arguments and results are the agent author's business.
Json = Any

ToolStatus = Literal["ok", "error", "denied", "cancelled", "interrupted"]
Decision = Literal["approved", "denied", "expired"]


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """What went wrong, in words for the person who watches, and whether trying again may help."""

    code: str
    message: str
    retryable: bool = False


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """What an agent call has cost, the calls it delegated included."""

    input_tokens: int = 0
    output_tokens: int = 0
    model_requests: int = 0
    tool_calls: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            model_requests=self.model_requests + other.model_requests,
            tool_calls=self.tool_calls + other.tool_calls,
        )


class AgentStartedData(msgspec.Struct, frozen=True, kw_only=True):
    #: The question or task, cut to `MAX_INPUT_CHARACTERS`.
    input: str
    #: Label of the model that answers; null for an agent without one.
    model: str | None
    tools: list[str]


class AgentThinkingData(msgspec.Struct, frozen=True, kw_only=True):
    text: str
    #: True: append to the thought of the same step. False: a thought of its own.
    delta: bool
    #: Number of the model request inside the agent call, from 1; 0 outside any.
    step: int


class PartialResultData(msgspec.Struct, frozen=True, kw_only=True):
    message_id: str
    #: To be appended to what the message holds so far.
    text: str


class ToolExecutingData(msgspec.Struct, frozen=True, kw_only=True):
    call_id: str
    tool_name: str
    #: Redacted and cut; never more than 4 KB.
    arguments: dict[str, Json]
    #: Why the tool is called, as its author put it in one line; null when not said.
    purpose: str | None


class ToolProgressData(msgspec.Struct, frozen=True, kw_only=True):
    call_id: str
    #: 0 to 1; null when the tool cannot tell.
    fraction: float | None
    text: str


class ToolCompletedData(msgspec.Struct, frozen=True, kw_only=True):
    call_id: str
    tool_name: str
    status: ToolStatus
    duration_ms: int
    #: The result, or its first part as text when `truncated`; null unless the status is ok.
    result: Json = None
    #: Size of the whole result as JSON, in bytes.
    result_bytes: int = 0
    #: True when the whole result is at `GET /api/runs/<id>/tool_calls/<call_id>/result`.
    truncated: bool = False
    #: Set unless the status is ok.
    error: Failure | None = None


class ApprovalRequestedData(msgspec.Struct, frozen=True, kw_only=True):
    call_id: str
    tool_name: str = ""
    #: Redacted and cut as in `tool_executing`; the approval itself holds them as they are.
    arguments: dict[str, Json]
    #: SHA-256 of the exact arguments, in hexadecimal.
    arguments_hash: str = ""
    #: Unix time in milliseconds, after which nobody's decision means no.
    expires_at: int
    #: True when whoever decides may change the arguments.
    editable: bool = False


class ApprovalResolvedData(msgspec.Struct, frozen=True, kw_only=True):
    call_id: str
    decision: Decision
    #: Who decided; empty for the clock.
    by: str
    #: True when the arguments were changed.
    edited: bool = False


class RunResumedData(msgspec.Struct, frozen=True, kw_only=True):
    #: Why, in a sentence for the person who watches.
    reason: str
    #: Partial text may be void after this event: the smallest number in `discard`, else the log's top.
    discard_after_seq: int
    #: By agent call: its partial text after this event number is void. Text of calls that are not named stays.
    discard: dict[str, int] = {}


class AgentCompletedData(msgspec.Struct, frozen=True, kw_only=True):
    result: Json
    duration_ms: int
    usage: Usage


class AgentFailedData(msgspec.Struct, frozen=True, kw_only=True):
    error: Failure


class AgentCancelledData(msgspec.Struct, frozen=True, kw_only=True):
    by: str


class Envelope(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """What every event carries."""

    #: Place in the run's log: 1, 2, 3 … without a hole. 0 before the log has taken it.
    seq: int = 0
    #: `"<seq>-<tag>"`, see `cursor`. Empty before the log has taken it.
    cursor: str = ""
    #: True on the run's last event only.
    terminal: bool = False
    run_id: str
    thread_id: str
    attempt: int
    agent_name: str
    #: Which agent invocation inside the run.
    agent_call_id: str
    #: The invocation that delegated to this one; null for the root.
    parent_call_id: str | None
    #: Unix time in milliseconds, by the writer's clock.
    at: int


class EnvelopeFields(TypedDict):
    """What a writer fills in of the envelope; the rest has defaults or is the log's."""

    run_id: str
    thread_id: str
    attempt: int
    agent_name: str
    agent_call_id: str
    parent_call_id: str | None
    at: int


class AgentStarted(Envelope, frozen=True, kw_only=True, tag="agent_started"):
    """An agent begins."""

    data: AgentStartedData


class AgentThinking(Envelope, frozen=True, kw_only=True, tag="agent_thinking"):
    """Reasoning, a plan step, or a wait that the person should know of."""

    data: AgentThinkingData


class PartialResult(Envelope, frozen=True, kw_only=True, tag="partial_result"):
    """Tokens of an answer."""

    data: PartialResultData


class ToolExecuting(Envelope, frozen=True, kw_only=True, tag="tool_executing"):
    """A tool is about to run."""

    data: ToolExecutingData


class ToolProgress(Envelope, frozen=True, kw_only=True, tag="tool_progress"):
    """A long tool reports."""

    data: ToolProgressData


class ToolCompleted(Envelope, frozen=True, kw_only=True, tag="tool_completed"):
    """A tool call is over: exactly one for each `tool_executing`."""

    data: ToolCompletedData


class ApprovalRequested(Envelope, frozen=True, kw_only=True, tag="approval_requested"):
    """A tool needs a person's yes."""

    data: ApprovalRequestedData


class ApprovalResolved(Envelope, frozen=True, kw_only=True, tag="approval_resolved"):
    """A person, or the clock, has decided."""

    data: ApprovalResolvedData


class RunResumed(Envelope, frozen=True, kw_only=True, tag="run_resumed"):
    """A new attempt took over."""

    data: RunResumedData


class AgentCompleted(Envelope, frozen=True, kw_only=True, tag="agent_completed"):
    """An agent ended well."""

    data: AgentCompletedData


class AgentFailed(Envelope, frozen=True, kw_only=True, tag="agent_failed"):
    """An agent could not finish."""

    data: AgentFailedData


class AgentCancelled(Envelope, frozen=True, kw_only=True, tag="agent_cancelled"):
    """An agent was stopped."""

    data: AgentCancelledData


Event = (
    AgentStarted
    | AgentThinking
    | PartialResult
    | ToolExecuting
    | ToolProgress
    | ToolCompleted
    | ApprovalRequested
    | ApprovalResolved
    | RunResumed
    | AgentCompleted
    | AgentFailed
    | AgentCancelled
)

#: Every event class by its `type`, in the order in which a run meets them.
EVENT_TYPES: dict[str, type[Envelope]] = {
    str(cls.__struct_config__.tag): cls
    for cls in (
        AgentStarted,
        AgentThinking,
        PartialResult,
        ToolExecuting,
        ToolProgress,
        ToolCompleted,
        ApprovalRequested,
        ApprovalResolved,
        RunResumed,
        AgentCompleted,
        AgentFailed,
        AgentCancelled,
    )
}
