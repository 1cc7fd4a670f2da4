"""What `tests.support.model_provider` answers: the parts of an answer, and the ways to fail."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

_call_numbers = itertools.count(1)

#: How an answer stops: whole; connection closed in the middle (FIN), or reset; a clean end of body that says nothing of
#: an end, as a proxy makes it; or never.
Ending = Literal["whole", "fin", "reset", "unsaid", "hang"]


@dataclass(frozen=True)
class Text:
    """A part of the answer, in these pieces, with a pause after each."""

    deltas: tuple[str, ...]
    pause: float = 0.0


@dataclass(frozen=True)
class Thinking:
    """A thought: `reasoning_content` in OpenAI's protocol, a thinking block in Anthropic's."""

    deltas: tuple[str, ...]
    pause: float = 0.0


@dataclass(frozen=True)
class Call:
    """A tool call; several in one reply are parallel calls. `arguments` may be a text that is no JSON."""

    name: str
    arguments: Mapping[str, Any] | str
    call_id: str = field(default_factory=lambda: f"call_{next(_call_numbers)}")


@dataclass(frozen=True)
class Wait:
    """Send nothing for so many seconds, or until the event is set."""

    until: float | threading.Event


Part = Text | Thinking | Call | Wait


@dataclass(frozen=True)
class Refusal:
    """An HTTP error with a body in the provider's form; inside a stream, an error event in its form."""

    status: int
    message: str = "something is wrong"
    code: str | None = None
    kind: str = "api_error"
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Reply:
    """One answer of the model."""

    parts: tuple[Part, ...]
    input_tokens: int = 11
    output_tokens: int = 7
    ending: Ending = "whole"
    #: Sent in the stream after the parts, in the place of an end.
    error: Refusal | None = None
    #: Why the answer is over, in the provider's words; None: for what its parts need.
    finish: str | None = None


@dataclass(frozen=True)
class Raw:
    """A response with exactly this body."""

    body: bytes
    content_type: str = "text/event-stream"
    status: int = 200


@dataclass(frozen=True)
class Silence:
    """No response at all: the connection is closed, reset, or left open for ever."""

    how: Literal["close", "reset", "hang"]


Answer = Reply | Refusal | Raw | Silence


def text(*deltas: str, pause: float = 0.0) -> Text:
    return Text(deltas, pause)


def thinking(*deltas: str, pause: float = 0.0) -> Thinking:
    return Thinking(deltas, pause)


def call(name: str, /, **arguments: Any) -> Call:
    return Call(name, arguments)


def wait(until: float | threading.Event) -> Wait:
    return Wait(until)


def reply(*parts: Part | str, ending: Ending = "whole", error: Refusal | None = None, **more: Any) -> Reply:
    """An answer; a plain text stands for itself, in one piece."""
    made = tuple(Text((part,)) if isinstance(part, str) else part for part in parts)
    return Reply(made, ending=ending, error=error, **more)


def refusal(
    status: int, message: str = "something is wrong", *, retry_after: float | None = None, **more: Any
) -> Refusal:
    """An HTTP error; `code` and `kind` are the provider's words for it."""
    asked = {} if retry_after is None else {"retry-after-ms": f"{retry_after * 1000:g}"}
    if retry_after is not None and retry_after == int(retry_after):
        asked = {"retry-after": str(int(retry_after))}
    return Refusal(status, message, headers=asked, **more)
