"""What is printed of tool calls, from their beginning to their end."""

from __future__ import annotations

from collections.abc import Iterator

from web.terminal.calls import Call, ToolCall
from web.terminal.formats import format_duration, shorten
from web.terminal.lines import Item, Line, Look
from web.terminal.results import compact, digest
from web.terminal.words import TOOL_STATES, decision_words, failure_words
from worker.contract.events import ApprovalRequested, ApprovalResolved, ToolCompleted, ToolExecuting, ToolProgress

#: Progress of one tool is printed no more often; a screen shows all of it in passing.
_PROGRESS_MS = 5_000
_HINT_LENGTH = 80
_ARGUMENTS_LENGTH = 400
_NOTE_LENGTH = 240

_LOOKS = {
    "ok": Look.OK,
    "error": Look.FAILED,
    "denied": Look.DENIED,
    "cancelled": Look.STOPPED,
    "interrupted": Look.UNCLEAR,
}


def begin(call: Call, event: ToolExecuting) -> Item:
    """Open a tool call."""
    data = event.data
    # The purpose says why; else the first argument says most about the call.
    hint = data.purpose or next(map(as_text, data.arguments.values()), "")
    tool = ToolCall(data.call_id, data.tool_name, event.at, hint=shorten(hint, _HINT_LENGTH))
    call.tools[data.call_id] = tool
    return Line(Look.GOES_ON, tool.name, aside=tool.hint, is_passing=True)


def report(_: Call, tool: ToolCall, event: ToolProgress) -> Iterator[Item]:
    """Note progress, and print it now and then."""
    tool.fraction, tool.progress = event.data.fraction, event.data.text
    if event.at - (tool.told_at or tool.began_at) < _PROGRESS_MS:
        return
    tool.told_at = event.at
    share = "" if tool.fraction is None else f"{tool.fraction:.0%}"
    facts = tuple(filter(None, (share, shorten(tool.progress, _HINT_LENGTH))))
    yield Line(Look.GOES_ON, tool.name, facts, is_passing=True)


def complete(owner: Call, tool: ToolCall, event: ToolCompleted) -> Item:
    """Close a tool call."""
    data = event.data
    del owner.tools[data.call_id]
    owner.tool_count += 1
    owner.failed_count += data.status == "error"
    owner.unclear_count += data.status == "interrupted"
    came_to = digest(data.result, truncated=data.truncated) if data.status == "ok" else TOOL_STATES[data.status]
    facts = tuple(filter(None, (came_to, format_duration(data.duration_ms))))
    note = _note(event, was_decided=bool(tool.decision))
    return Line(_LOOKS[data.status], data.tool_name, facts, tool.hint, note)


def ask(_: Call, tool: ToolCall, event: ApprovalRequested) -> Item:
    """Note that a person is asked."""
    tool.request, tool.decision = event.data, ""
    tool.name = event.data.tool_name or tool.name
    arguments = ", ".join(f"{name}: {as_text(value)}" for name, value in event.data.arguments.items())
    return Line(
        Look.WAITS, f"{tool.name} needs your yes", (shorten(arguments, _ARGUMENTS_LENGTH),) if arguments else ()
    )


def resolve(_: Call, tool: ToolCall, event: ApprovalResolved) -> Item:
    """Note what was decided."""
    tool.decision = event.data.decision
    words = decision_words(event.data.decision, edited=event.data.edited)
    return Line(Look.DECIDED, tool.name, (words,))


def as_text(value: object) -> str:
    """An argument as one reads it."""
    return value if isinstance(value, str) else compact(value)


# That a call was stopped or denied is said already, and by whom.
def _note(event: ToolCompleted, *, was_decided: bool) -> str:
    data = event.data
    if data.status in ("ok", "cancelled") or (data.status == "denied" and was_decided):
        return ""
    title, text = failure_words(data.error)
    # That a tool failed is on the line already; only what is more telling gets a heading.
    is_plain = data.error is not None and data.error.code == "tool_error" and text
    return shorten(text if is_plain else f"{title}. {text}", _NOTE_LENGTH)
