"""How agents and runs end: the outcome, the answer, and what it took."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from web.terminal.calls import Call
from web.terminal.formats import count, format_duration, format_number, shorten
from web.terminal.lines import Answer, Footer, Item, Line, Look, Text
from web.terminal.results import as_markdown
from web.terminal.words import CALL_STATES, OUTCOMES, STOPPED_IN_ANSWER, failure_words
from worker.contract.events import AgentCancelled, AgentCompleted, AgentFailed, Failure, Usage

AgentEnd = AgentCompleted | AgentFailed | AgentCancelled

#: Ended by something that this client does not know.
INTERRUPTED = "interrupted"

_NOTE_LENGTH = 240
_LOOKS = {
    "completed": Look.OK,
    "failed": Look.FAILED,
    "cancelled": Look.STOPPED,
    INTERRUPTED: Look.UNCLEAR,
}


def state_of(event: AgentEnd) -> str:
    """Name the state that an event ends in."""
    match event:
        case AgentCompleted():
            return "completed"
        case AgentFailed():
            return "failed"
        case AgentCancelled():
            return "cancelled"


def end_of_call(call: Call, event: AgentEnd) -> Iterator[Item]:
    """End an agent that another one asked."""
    yield from call.writer.finish()
    if (
        isinstance(event, AgentCompleted)
        and _is_something(event.data.result)
        and not call.writer.has_said(event.data.result)
    ):
        yield Text(as_markdown(event.data.result))
    state = state_of(event)
    duration = event.data.duration_ms if isinstance(event, AgentCompleted) else event.at - call.began_at
    facts = (CALL_STATES[state], ", ".join(_tool_facts([call], "tool")), format_duration(duration))
    note = shorten(_failure(event.data.error), _NOTE_LENGTH) if isinstance(event, AgentFailed) else ""
    yield Line(_LOOKS[state], call.agent_name, tuple(filter(None, facts)), note=note, is_frame=True)


def end_of_run(root: Call, calls: Sequence[Call], event: AgentEnd, *, began_at: int) -> Iterator[Item]:
    """End the run."""
    answer = _answer(root, event.data.result) if isinstance(event, AgentCompleted) else None
    yield from root.writer.finish()
    state = state_of(event)
    work = _work(calls, event.at - began_at)
    yield Line(_LOOKS[state], OUTCOMES[state], work, note=_note(root, event), is_frame=True)
    if answer is not None:
        yield Answer(answer)
    usage = event.data.usage if isinstance(event, AgentCompleted) else Usage()
    yield Footer((*_usage(root, usage), event.run_id, event.thread_id))


def end_unknown(calls: Sequence[Call], *, duration_ms: int) -> Item:
    """End a run that ended in a way that is newer than this client."""
    return Line(Look.UNCLEAR, CALL_STATES[INTERRUPTED].capitalize(), _work(calls, duration_ms), is_frame=True)


def _answer(root: Call, result: Any) -> str | None:
    """The answer, taken out of what is being written if that is where it stands; None without one."""
    spoken = root.writer.message
    text = as_markdown(result) if _is_something(result) else spoken
    if spoken and text.strip().endswith(spoken.strip()):
        root.writer.drop()
    return text or None


def _is_something(result: Any) -> bool:
    return result is not None and not (isinstance(result, str) and not result.strip())


def _note(root: Call, event: AgentEnd) -> str:
    match event:
        case AgentFailed():
            return _failure(event.data.error)
        case AgentCancelled():
            return STOPPED_IN_ANSWER if root.writer.has_spoken else ""
        case AgentCompleted():
            return ""


def _failure(error: Failure) -> str:
    title, text = failure_words(error)
    return f"{title}. {text}".strip()


def _work(calls: Sequence[Call], duration_ms: int) -> tuple[str, ...]:
    agents = len(calls) - 1
    facts = (count(agents, "agent") if agents > 0 else "", *_tool_facts(calls, "tool call"))
    return (*filter(None, facts), format_duration(duration_ms))


def _tool_facts(calls: Sequence[Call], noun: str) -> list[str]:
    tools = sum(call.tool_count for call in calls)
    failed = sum(call.failed_count for call in calls)
    unclear = sum(call.unclear_count for call in calls)
    facts = [count(tools, noun) if tools else "", f"{failed} failed" if failed else ""]
    return [*filter(None, facts), *([f"{unclear} unclear"] if unclear else [])]


# Figures are for what is paid for: the offline model counts no tokens, and its requests would say nothing.
def _usage(root: Call, usage: Usage) -> list[str]:
    facts = [root.model] if root.model else []
    if usage.input_tokens + usage.output_tokens:
        facts += [
            f"{format_number(usage.input_tokens)} tokens in, {format_number(usage.output_tokens)} out",
            count(usage.model_requests, "model request"),
        ]
    return facts
