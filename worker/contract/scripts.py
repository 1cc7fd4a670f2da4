"""The atomic steps on a run, as calls that any Redis client can make.

The rules themselves are in `lua/`; here is what each script is given and how its answer is read. Nothing here does I/O
beyond reading those files once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Literal, NamedTuple

from worker.contract import keys
from worker.contract.codec import Draft
from worker.contract.commands import DEFAULT_QUEUE_NAME
from worker.contract.run import RunState


class Script(NamedTuple):
    source: str
    #: SHA-1 of the source, as EVALSHA wants it.
    sha: str


Argument = str | bytes | int

#: Viewers of one run whose places are kept: far more tabs than a person opens, and a bound for who makes them up.
MAX_VIEWERS = 100


class ScriptCall(NamedTuple):
    """One call: `EVALSHA script.sha len(keys) *keys *args`, or EVAL with the source after a NOSCRIPT error."""

    script: Script
    keys: list[str]
    args: list[Argument]


class Appended(NamedTuple):
    """Where the log has put an event."""

    seq: int
    cursor: str


#: Stands before each script.
_COMMON = "emit"


@cache
def load(name: str) -> Script:
    """Read a script, with the common part before it."""
    folder = files("worker.contract") / "lua"
    source = "\n".join((folder / f"{part}.lua").read_text() for part in (_COMMON, name))
    return Script(source, hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest())


def names() -> tuple[str, ...]:
    """All scripts that can be loaded."""
    folder = files("worker.contract") / "lua"
    return tuple(sorted(name for file in folder.iterdir() if (name := file.name.removesuffix(".lua")) != _COMMON))


def create(
    *,
    run_id: str,
    thread_id: str,
    user_id: str,
    agent: str,
    message: str,
    queue: str = DEFAULT_QUEUE_NAME,
    traceparent: str = "",
) -> ScriptCall:
    """Store a new run as queued. Answers b"created" or b"exists"."""
    fields = {"thread_id": thread_id, "user_id": user_id, "agent": agent, "message": message, "queue": queue}
    if traceparent:
        fields["traceparent"] = traceparent
    return _call("create", run_id, *_flat(fields))


def claim(run_id: str, *, worker_id: str, token: str, lease_ms: int, silence_ms: int) -> ScriptCall:
    """Take the next attempt at a queued run; a repeat with the same token, after a lost reply, gives the same one.

    Answers [b"ok", [field, value …]], or why not: [b"missing" | b"finished" | b"busy" | b"later"], or
    [b"shunned", queue, agent] to the worker from which an operator took it.
    """
    return _call("claim", run_id, worker_id, keys.control_channel(worker_id), token, lease_ms, silence_ms)


class Ending(NamedTuple):
    """What a run's last event changes in its record."""

    state: RunState
    answer: str = ""
    usage: str = ""


class ToolResult(NamedTuple):
    """A tool result that is too large for its event."""

    call_id: str
    body: bytes


class Entries(NamedTuple):
    """What is stored in the same step as an event: fields of the journal and of the approvals."""

    journal: Mapping[str, bytes] = MappingProxyType({})
    approvals: Mapping[str, bytes] = MappingProxyType({})


NO_ENTRIES = Entries()
#: In the place of an event, for a write that is only a journal's.
NO_EVENT = Draft(b"", b"")


class Attempt(NamedTuple):
    """Who writes: the number and the token that a claim gave out."""

    run_id: str
    number: int
    token: str


def renew(attempt: Attempt, *, written: int, lease_ms: int) -> ScriptCall:
    """Prolong the lease; `written` is the last producer number that was answered.

    Answers [b"ok", who asked for a stop], [b"lost"], or [b"behind"]: see `restore`.
    """
    return _call("renew", attempt.run_id, attempt.number, attempt.token, written, lease_ms)


def append(
    attempt: Attempt,
    *,
    number: int,
    tag: str,
    draft: Draft,
    retention_ms: int,
    silence_ms: int,
    ending: Ending | None = None,
    result: ToolResult | None = None,
    entries: Entries = NO_ENTRIES,
) -> ScriptCall:
    """Write one event, or with `NO_EVENT` only entries.

    `number` counts this attempt's writes from 1; a call repeated with the same number and attempt, after a lost reply,
    gets the first answer and writes nothing. `silence_ms` is how long the attempt may be silent from now on.
    Answers [b"ok", seq, cursor], or why not: [b"missing" | b"stale" | b"finished"] or [b"behind", last number].
    """
    state, answer, usage = ending or ("", "", "")
    call = _call(
        "append",
        attempt.run_id,
        *(keys.events_channel(attempt.run_id), attempt.number, attempt.token, number),
        *(tag, draft.head, draft.tail, silence_ms),
        *(state, retention_ms, answer, usage, result.body if result else b"", len(entries.journal)),
        *_flat(entries.journal),
        *_flat(entries.approvals),
    )
    if result is not None:
        call.keys.append(keys.tool_result(attempt.run_id, result.call_id))
    return call


def restore(
    attempt: Attempt, *, base_seq: int, worker_id: str, lease_ms: int, silence_ms: int, fields: Mapping[str, str]
) -> ScriptCall:
    """Give an attempt back what the server has lost of it; `fields` are those of a run whose record is gone.

    Answers [b"ok", last producer number], or why not: [b"stale" | b"finished" | b"lost"].
    """
    return _call(
        "restore",
        attempt.run_id,
        *(attempt.number, attempt.token, base_seq, worker_id, keys.control_channel(worker_id), lease_ms, silence_ms),
        *_flat(fields),
    )


def requeue(run_id: str, *, attempt: int, backoff_ms: int, reason: str) -> ScriptCall:
    """Put a run whose lease has lapsed back into the queue, as a loss. Answers b"ok" or b"no"."""
    return _call("requeue", run_id, attempt, backoff_ms, reason)


def take_back(run_id: str, *, attempt: int, shun_ms: int, reason: str) -> ScriptCall:
    """Put a run that a worker has back into the queue, because a person wants that; no loss.

    The worker may not take it again for `shun_ms`. Answers b"ok" | b"missing" | b"moved".
    """
    return _call("take_back", run_id, attempt, reason, shun_ms, run_id)


def release(attempt: Attempt, *, state: Literal[RunState.QUEUED, RunState.WAITING], reason: str = "") -> ScriptCall:
    """Give an attempt back. Answers the state after it, or b"lost"."""
    return _call("release", attempt.run_id, attempt.number, attempt.token, state, reason)


def cancel(run_id: str, *, by: str) -> ScriptCall:
    """Store the wish to stop. Answers the state after it, or b"missing"."""
    return _call("cancel", run_id, by, run_id)


TaggedDraft = tuple[str, Draft]


def tell(
    run_id: str,
    story: Sequence[TaggedDraft],
    *,
    last_seq: int,
    retention_ms: int,
    end_state: RunState | None = None,
    is_idle: bool = True,
) -> ScriptCall:
    """Write events of a run that no worker writes, made for a log that reaches to `last_seq`; with a state, end it.

    `is_idle` False closes it over the head of a worker that has it.
    Answers b"ok" | b"missing" | b"held" | b"moved", or the state of a finished run.
    """
    permission = "idle" if is_idle else "any"
    channel = keys.events_channel(run_id)
    return _call("tell", run_id, channel, last_seq, permission, end_state or "", retention_ms, *_story(story))


def bury(
    run_id: str, story: Sequence[TaggedDraft], *, retention_ms: int, end_state: RunState, fields: Mapping[str, str]
) -> ScriptCall:
    """Give a run whose record is gone an end that can be seen. Answers b"ok" or b"exists"."""
    channel = keys.events_channel(run_id)
    return _call("bury", run_id, channel, end_state, retention_ms, len(fields), *_flat(fields), *_story(story))


def decide(
    run_id: str, call_id: str, *, by: Literal["person", "clock"], decision: bytes, attempt: int, resolved: TaggedDraft
) -> ScriptCall:
    """Store the first decision on an approval and tell the viewers, by an event that was made for this attempt.

    Answers [b"ok", state after it], [b"decided", the first decision], or why not: [b"missing" | b"finished" |
    b"stopping" | b"expired" | b"early" | b"moved"].
    """
    return _call("decide", run_id, keys.events_channel(run_id), call_id, by, decision, attempt, *_story([resolved]))


def touch(run_id: str, field: Literal["rung_at", "queued_at"]) -> ScriptCall:
    """Note the server's time in a queued run's record. Answers 1, or 0 when it is not queued."""
    return _call("touch", run_id, field)


def elect(reaper_id: str, *, term_ms: int, gap_ms: int, quiet_ms: int) -> ScriptCall:
    """Ask for the right to sweep. Answers [1, now, leases are left alone until] or [0, now, 0]; times in ms."""
    return ScriptCall(load("elect"), [keys.REAPER], [reaper_id, term_ms, gap_ms, quiet_ms])


def enqueue(thread_id: str, run_id: str, *, life_ms: int) -> ScriptCall:
    """Put a run at the end of its thread's queue, once. Answers how many runs are before it."""
    return ScriptCall(load("enqueue"), [keys.thread_queue(thread_id)], [run_id, life_ms])


def ack(run_id: str, *, user_id: str, viewer: str, seq: int) -> ScriptCall:
    """Store how far a user's viewer has shown a run. Answers b"seen" when its outcome was, b"open" or b"missing"."""
    return _call("ack", run_id, user_id, viewer, seq, MAX_VIEWERS)


def list_unseen(run_id: str) -> ScriptCall:
    """List a run that has ended as one whose outcome is unseen; before it leaves `keys.RUNS_LIVE`. May be repeated."""
    return ScriptCall(load("list_unseen"), [keys.RUNS_UNSEEN], [run_id])


def take_unseen(*, delay_ms: int, hidden_ms: int, limit: int, keep: int) -> ScriptCall:
    """Take up to `limit` runs that ended `delay_ms` ago; others see them again after `hidden_ms`.

    Answers [count of runs that were dropped because more than `keep` were listed, [run id …]].
    """
    return ScriptCall(load("take_unseen"), [keys.RUNS_UNSEEN], [delay_ms, hidden_ms, limit, keep])


def begin_webhook(run_id: str, *, tries: int) -> ScriptCall:
    """Count a try to tell of a run's outcome.

    Answers [b"try", its number, [field, value …]], or why there is none: [b"gone" | b"seen" | b"told" | b"spent"].
    """
    return _call("begin_webhook", run_id, tries)


def end_webhook(run_id: str) -> ScriptCall:
    """Note that a webhook has taken a run's outcome. Answers 1, or 0 when there is no such run."""
    return _call("end_webhook", run_id)


def _call(name: str, run_id: str, *args: Argument) -> ScriptCall:
    names = [keys.run, keys.log, keys.journal, keys.approvals, keys.delivery]
    return ScriptCall(load(name), [build(run_id) for build in names], list(args))


def _flat(fields: Mapping[str, Argument]) -> list[Argument]:
    return [part for pair in fields.items() for part in pair]


def _story(story: Sequence[TaggedDraft]) -> list[Argument]:
    return [part for tag, draft in story for part in (tag, draft.head, draft.tail)]
