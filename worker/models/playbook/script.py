"""A script: a generator that yields tool calls, is sent their results, and returns the answer. No I/O.

A model keeps nothing between two requests, so at each one the script is played again from its beginning, with the
results that the conversation holds, as far as they reach: it then stands at the next call, or at its end.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple


@dataclass(frozen=True)
class Call:
    """A tool to call next, and why."""

    tool: str
    arguments: dict[str, Any] = field(default_factory=dict)
    thought: str = ""


@dataclass(frozen=True)
class Answer:
    """The agent's last word."""

    text: str
    thought: str = "That is all I need."


class ToolFailed(Exception):
    """Thrown into a script at the call that failed."""


class Outcome(NamedTuple):
    """What became of a call: plain JSON or text, or an error."""

    value: Any
    error: str | None = None


@dataclass(frozen=True)
class Task:
    """What an agent was asked."""

    text: str
    #: The user's earlier messages in this thread, oldest first; empty for a delegate.
    earlier: Sequence[str] = ()


Script = Generator[Call, Any, str]
Playbook = Callable[[Task], Script]


def next_move(script: Script, outcomes: Sequence[Outcome]) -> Call | Answer:
    """Play a script with what is known and return what comes next.

    A failed call that the script does not deal with ends it with a plain sentence.
    """
    try:
        call = next(script)
        for outcome in outcomes:
            call = script.send(outcome.value) if outcome.error is None else script.throw(ToolFailed(outcome.error))
    except StopIteration as end:
        return Answer(end.value)
    except ToolFailed as failure:
        return Answer(failed_text(failure), thought="A tool has failed, and I cannot do without it.")
    return call


def failed_text(failure: ToolFailed) -> str:
    return f"I could not finish this: {failure}"


def ask(agent: str, task: str, thought: str) -> Script:
    """Ask another agent, as a part of a script; returns its answer."""
    answer = yield Call("delegate", {"agent": agent, "task": task}, thought)
    return str(answer)
