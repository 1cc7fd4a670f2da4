"""A tool's result as JSON: checked, measured, and cut to what an event may carry."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec
from pydantic_core import PydanticSerializationError, to_json

from worker.agent.errors import ToolResultInvalid

#: What an event shows of a result; the rest of the event's 64 KB is headroom for its envelope.
MAX_INLINE_BYTES = 32_768
#: What is kept of one result at all. Larger ones belong into a file.
MAX_RESULT_BYTES = 16 * 1024 * 1024
#: What a model is given of one result, to spare its context window.
MAX_MODEL_BYTES = 24_576
_PREVIEW_CHARACTERS = 4_000


class Result(NamedTuple):
    #: The whole result as JSON.
    body: bytes
    #: The whole result, or what is shown of it.
    shown: Any
    truncated: bool


def to_result(tool_name: str, value: Any) -> Result:
    """Measure what a tool returned.

    Raises:
        ToolResultInvalid: It is not JSON, or larger than `MAX_RESULT_BYTES`.
    """
    try:
        # JSON has no NaN; a table with one is a table all the same.
        body = to_json(value, inf_nan_mode="null")
        plain = msgspec.json.decode(body)
    except (PydanticSerializationError, UnicodeDecodeError, ValueError, RecursionError) as error:
        kind = type(value).__name__
        raise ToolResultInvalid(f"{tool_name} returned something that is not JSON (a value of type {kind}).") from error
    if len(body) > MAX_RESULT_BYTES:
        raise ToolResultInvalid(f"{tool_name} returned {len(body):,} bytes; at most {MAX_RESULT_BYTES:,} are kept.")
    if len(body) <= MAX_INLINE_BYTES:
        return Result(body, plain, truncated=False)
    return Result(body, _preview(plain, body), truncated=True)


def for_model(result: Result) -> str:
    """The result as a model gets it: JSON text, cut with a note when it is long."""
    text = result.body[:MAX_MODEL_BYTES].decode(errors="ignore")
    if len(result.body) <= MAX_MODEL_BYTES:
        return text
    return f"{text}… [cut: {len(result.body):,} bytes in all; ask for less]"


def _preview(plain: Any, body: bytes) -> Any:
    """A large table keeps its shape and loses rows; anything else becomes the start of its text."""
    if isinstance(plain, dict) and plain.get("kind") == "table" and isinstance(plain.get("rows"), list):
        for count in (200, 50, 10, 1):
            shorter = {**plain, "rows": plain["rows"][:count]}
            if len(msgspec.json.encode(shorter)) <= MAX_INLINE_BYTES:
                return shorter
    return body[: _PREVIEW_CHARACTERS * 4].decode(errors="ignore")[:_PREVIEW_CHARACTERS]
