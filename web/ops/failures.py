"""Runs that failed lately, with their reasons. No I/O."""

from __future__ import annotations

import msgspec

from worker.contract import codec
from worker.contract.errors import DecodeError
from worker.contract.events import AgentFailed
from worker.contract.run import RunRecord

#: What is read of a record.
FIELDS = ("thread_id", "user_id", "agent", "state", "created_at", "started_at", "ended_at", "attempt", "losses")


class FailedRun(msgspec.Struct, frozen=True, kw_only=True):
    """One failed run. `code` and `message` are those of its last event, which its owner has seen as well."""

    run_id: str
    user_id: str
    agent: str
    attempt: int
    losses: int
    created_at: int
    ended_at: int
    code: str
    message: str


def show(record: RunRecord, last_event: bytes | None) -> FailedRun:
    """Show a failed run; `last_event` is the last one of its log."""
    code, message = _reason(last_event)
    return FailedRun(
        run_id=record.run_id,
        user_id=record.user_id,
        agent=record.agent,
        attempt=record.attempt,
        losses=record.losses,
        created_at=record.created_at,
        ended_at=record.ended_at,
        code=code,
        message=message,
    )


def _reason(raw: bytes | None) -> tuple[str, str]:
    try:
        event = codec.decode(raw) if raw else None
    except DecodeError:
        event = None
    if not isinstance(event, AgentFailed):
        return "", "Its last event cannot be read."
    return event.data.error.code, event.data.error.message
