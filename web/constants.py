"""Writes the words and numbers that the browser shares with the server: `python -m web.constants`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args

from web.relay.limits import RelayLimits
from web.relay.messages import CLOSE_CODES, CONTROL_FRAMES, OPERATIONS, CloseCode
from worker.contract.codec import MAX_EVENT_BYTES
from worker.contract.errors import FailureCode
from worker.contract.events import (
    CONTRACT_VERSION,
    EVENT_TYPES,
    AgentCancelled,
    AgentCompleted,
    AgentFailed,
    Decision,
    ToolStatus,
)
from worker.contract.run import FINISHED_STATES, RunState

CONSTANTS_FILE = Path(__file__).parent / "static" / "js" / "contract.js"

_HEADER = "// Generated from worker/contract and web/relay by `python -m web.constants`. Do not edit.\n\n"
_WIDTH = 120


def constants_text() -> str:
    """Give the module as it should be in `CONSTANTS_FILE`."""
    return _HEADER + "".join(f"export const {name} = {_javascript(value)};\n" for name, value in _constants().items())


def _constants() -> dict[str, Any]:
    limits = RelayLimits()
    return {
        "CONTRACT_VERSION": CONTRACT_VERSION,
        "EVENT_TYPES": list(EVENT_TYPES),
        # Of the root agent's call only; a nested agent ends with one of these as well.
        "ENDING_TYPES": [_tag(event) for event in (AgentCompleted, AgentFailed, AgentCancelled)],
        "TOOL_STATUSES": list(get_args(ToolStatus)),
        "DECISIONS": list(get_args(Decision)),
        "FAILURE_CODES": list(FailureCode),
        "RUN_STATES": list(RunState),
        "FINISHED_STATES": [state for state in RunState if state in FINISHED_STATES],
        "OPERATIONS": [_tag(operation) for operation in OPERATIONS],
        "CONTROL_OPS": [_tag(frame) for frame in CONTROL_FRAMES],
        "CLOSE_CODES": {code.name: int(code) for code in CloseCode},
        "STOP_CLOSE_CODES": [int(code) for code, closing in CLOSE_CODES.items() if not closing.resumes],
        "HEARTBEAT_SECONDS": limits.heartbeat_seconds,
        "MAX_EVENT_BYTES": MAX_EVENT_BYTES,
        "MAX_FRAME_BYTES": limits.frame_bytes,
        "MAX_SUBSCRIPTIONS": limits.subscriptions_per_socket,
    }


def _tag(struct: Any) -> str:
    return str(struct.__struct_config__.tag)


def _javascript(value: Any) -> str:
    """Write a value as JavaScript in the form that the page's other modules have."""
    if isinstance(value, dict):
        return "Object.freeze({\n" + "".join(f"  {key}: {json.dumps(item)},\n" for key, item in value.items()) + "})"
    if isinstance(value, list):
        items = [json.dumps(item) for item in value]
        line = f"Object.freeze([{', '.join(items)}])"
        return line if len(line) < _WIDTH else "Object.freeze([\n" + "".join(f"  {item},\n" for item in items) + "])"
    return json.dumps(int(value) if value == int(value) else value)


if __name__ == "__main__":
    CONSTANTS_FILE.write_text(constants_text())
