"""What goes on right now, for whoever can see it going on. No I/O: the time is given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from web.terminal.calls import Call, ToolCall
from web.terminal.telling import Teller


@dataclass
class Situation:
    """What the events do not say."""

    #: Why nothing is heard from the server; empty while all is well.
    trouble: str = ""
    #: A stop was asked for.
    is_stopping: bool = False
    #: Another run of the conversation goes first.
    is_behind: bool = False


class OpenTool(NamedTuple):
    agent_name: str
    depth: int
    tool: ToolCall


def open_tools(teller: Teller) -> list[OpenTool]:
    """The tool calls that are under way, oldest first."""
    found = [
        OpenTool(call.agent_name, call.depth, tool) for call in teller.calls.values() for tool in call.tools.values()
    ]
    return sorted(found, key=lambda one: one.tool.began_at)


def writing_of(teller: Teller) -> Call | None:
    """The call whose writing is worth showing: the one that was heard of last, if it writes."""
    latest = teller.latest
    if latest is not None and latest.writer.current is not None:
        return latest
    return next((call for call in reversed(teller.calls.values()) if call.writer.current is not None), None)


def label_of(teller: Teller, situation: Situation) -> str:
    """Say in a few words what is going on."""
    if situation.trouble:
        return situation.trouble
    if situation.is_stopping:
        return "Stopping…"
    if teller.attempt == 0:
        return "Waits for the answer before it" if situation.is_behind else "Waiting for a worker"
    if teller.waiting:
        return "Waiting for your yes"
    call = _deepest(teller)
    if call is None:
        return "Reading the steps"
    if call.tools:
        return f"{call.agent_name} runs {list(call.tools.values())[-1].name}"
    if call.writer.message:
        return f"{call.agent_name} is writing"
    return f"{call.agent_name} is thinking"


def _deepest(teller: Teller) -> Call | None:
    running = [call for call in teller.calls.values() if call.is_running]
    return max(running, key=lambda call: call.depth, default=None)
