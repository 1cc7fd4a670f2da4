"""The atomic steps on a run, as calls that any Redis client can make.

The rules themselves are in `lua/`; here is what each script is given and how its answer is read. Nothing here does I/O
beyond reading those files once.
"""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files
from typing import NamedTuple

from worker.contract import keys
from worker.contract.codec import Draft
from worker.contract.run import RunState


class Script(NamedTuple):
    source: str
    #: SHA-1 of the source, as EVALSHA wants it.
    sha: str


class ScriptCall(NamedTuple):
    """One call: `EVALSHA script.sha len(keys) *keys *args`, or EVAL with the source after a NOSCRIPT error."""

    script: Script
    keys: list[str]
    args: list[str | bytes | int]


class Appended(NamedTuple):
    """Where the log has put an event."""

    seq: int
    cursor: str


@cache
def load(name: str) -> Script:
    """Read a script, with the common part before it."""
    folder = files("worker.contract") / "lua"
    source = "\n".join((folder / f"{part}.lua").read_text() for part in ("emit", name))
    return Script(source, hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest())


def create(*, run_id: str, thread_id: str, user_id: str, agent: str, message: str) -> ScriptCall:
    """Store a new run as queued. Answers b"created" or b"exists"."""
    fields = {"thread_id": thread_id, "user_id": user_id, "agent": agent, "message": message}
    return ScriptCall(load("create"), [keys.run(run_id)], [part for pair in fields.items() for part in pair])


def claim(run_id: str, *, worker_id: str, lease_ms: int, again: bool = False) -> ScriptCall:
    """Take the next attempt.

    Answers [b"ok", [field, value …]], or why not: [b"missing" | b"finished" | b"busy"], or [b"lapsed"]: its holder has
    not renewed in time and gets a moment for it; call `again` after that.
    """
    second_look = "again" if again else ""
    args: list[str | bytes | int] = [worker_id, keys.control_channel(worker_id), lease_ms, second_look]
    return ScriptCall(load("claim"), [keys.run(run_id)], args)


def renew(run_id: str, *, attempt: int, lease_ms: int) -> ScriptCall:
    """Prolong the lease. Answers [b"ok", who asked for a stop] or [b"lost"]."""
    return ScriptCall(load("renew"), [keys.run(run_id)], [attempt, lease_ms])


class Ending(NamedTuple):
    """What a run's last event changes in its record."""

    state: RunState
    answer: str = ""
    usage: str = ""


class ToolResult(NamedTuple):
    """A tool result that is too large for its event."""

    call_id: str
    body: bytes


def append(
    run_id: str,
    *,
    attempt: int,
    number: int,
    tag: str,
    draft: Draft,
    retention_ms: int,
    ending: Ending | None = None,
    result: ToolResult | None = None,
) -> ScriptCall:
    """Write one event.

    `number` counts this attempt's events from 1; a call repeated with the same number and attempt, after a lost reply,
    gets the first answer and writes nothing. Answers [b"ok", seq, cursor], or why not: [b"missing" | b"stale" |
    b"finished"].
    """
    state, answer, usage = ending or ("", "", "")
    script_keys = [keys.run(run_id), keys.log(run_id)]
    args: list[str | bytes | int] = [keys.events_channel(run_id), attempt, number, tag, draft.head, draft.tail]
    args += [state, retention_ms, answer, usage]
    if result is not None:
        script_keys.append(keys.tool_result(run_id, result.call_id))
        args.append(result.body)
    return ScriptCall(load("append"), script_keys, args)


def cancel(
    run_id: str,
    *,
    by: str,
    retention_ms: int,
    started: tuple[str, Draft],
    cancelled: tuple[str, Draft],
) -> ScriptCall:
    """Ask for a stop; `started` and `cancelled` (tag, draft) are the story of a run that nobody has begun.

    Answers the state after it, or b"missing".
    """
    args: list[str | bytes | int] = [by, keys.events_channel(run_id), retention_ms, run_id]
    for tag, draft in (started, cancelled):
        args += [tag, draft.head, draft.tail]
    return ScriptCall(load("cancel"), [keys.run(run_id), keys.log(run_id)], args)
