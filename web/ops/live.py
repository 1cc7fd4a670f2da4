"""Unfinished runs as an operator sees them: who has each, and which of them need a look. No I/O, and nobody's words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Literal

import msgspec

from worker.contract.run import RunRecord, RunState

#: What is read of a record: facts only. The message and the answer are their owner's.
FIELDS = (
    *("thread_id", "user_id", "agent", "queue", "state", "created_at", "attempt", "losses", "queued_at", "ready_at"),
    *("started_at", "last_seq", "cancel_by", "cancel_at", "owner", "lease_until", "decide_by", "resume_reason"),
    *("claimed_at", "written_at", "renewed_at"),
)
#: Workers renew every 0.3 of a lease; one that has missed a renewal for sure is silent.
_SILENT_SHARE = 0.5

#: held: a worker has it and gives signs of life; silent: it has given none lately; lapsed: it counts as lost;
#: none: no worker has it, nor should one.
Hold = Literal["held", "silent", "lapsed", "none"]


class LiveRun(msgspec.Struct, frozen=True, kw_only=True):
    """One unfinished run. Times are Unix milliseconds of the server's clock; durations are in ms."""

    run_id: str
    thread_id: str
    user_id: str
    agent: str
    queue: str
    state: str
    hold: Hold
    attempt: int
    losses: int
    #: The worker process that has it.
    worker: str
    #: Until its worker counts as lost; 0 when it does, or there is none.
    lease_left_ms: int
    #: Since a worker gave a sign of life for it; also while it waits for the next one. 0 when none has had it.
    silent_ms: int
    #: Since its attempt last wrote an event; 0 unless it runs.
    quiet_ms: int
    #: How long it has waited for a worker; 0 unless it does.
    waited_ms: int
    #: Until the person who is asked must have decided; 0 unless it waits for one.
    decide_ms: int
    created_at: int
    started_at: int
    last_seq: int
    #: Who asked for a stop; empty when nobody did.
    stopping_by: str


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """Counts of all unfinished runs."""

    queued: int
    running: int
    #: For a person's decision.
    waiting: int
    #: Begun by a worker and held by nobody: the lease has lapsed, or they are back in the queue. As `/metrics` has it.
    without_worker: int
    stopping: int
    #: Of those that wait for a worker, the longest wait; 0 when none does.
    oldest_wait_ms: int


def show(record: RunRecord, *, now: int, lease_ms: int) -> LiveRun:
    """Show an unfinished run at the server's time `now`."""
    is_running = record.state is RunState.RUNNING
    is_queued = record.state is RunState.QUEUED
    silent_ms = _silent_ms(record, now=now, lease_ms=lease_ms)
    return LiveRun(
        run_id=record.run_id,
        thread_id=record.thread_id,
        user_id=record.user_id,
        agent=record.agent,
        queue=record.queue,
        state=record.state,
        hold=_hold(record, now=now, silent_ms=silent_ms, lease_ms=lease_ms),
        attempt=record.attempt,
        losses=record.losses,
        worker=record.owner,
        lease_left_ms=max(0, record.lease_until - now) if is_running else 0,
        silent_ms=silent_ms,
        quiet_ms=max(0, now - record.written_at) if is_running and record.written_at else 0,
        waited_ms=max(0, now - max(record.queued_at, record.ready_at)) if is_queued else 0,
        decide_ms=max(0, record.decide_by - now) if record.state is RunState.WAITING else 0,
        created_at=record.created_at,
        started_at=record.started_at,
        last_seq=record.last_seq,
        stopping_by="" if record.is_finished else record.cancel_by,
    )


def count(runs: Iterable[LiveRun]) -> Totals:
    """Count unfinished runs."""
    runs = list(runs)
    states = Counter(run.state for run in runs)
    return Totals(
        queued=states[RunState.QUEUED],
        running=states[RunState.RUNNING],
        waiting=states[RunState.WAITING],
        without_worker=sum(run.hold == "lapsed" or _is_left_alone(run) for run in runs),
        stopping=sum(bool(run.stopping_by) for run in runs),
        oldest_wait_ms=max((run.waited_ms for run in runs), default=0),
    )


def by_need(runs: Iterable[LiveRun]) -> list[LiveRun]:
    """Order runs by how much they need a look, then by age."""
    return sorted(runs, key=lambda run: (_need(run), run.created_at, run.run_id))


def _need(run: LiveRun) -> int:
    if run.hold == "lapsed":
        return 0
    if run.hold == "silent":
        return 1
    if _is_left_alone(run):
        return 2
    if run.stopping_by:
        return 3
    return {RunState.RUNNING: 4, RunState.QUEUED: 5}.get(RunState(run.state), 6)


def _is_left_alone(run: LiveRun) -> bool:
    """Whether a worker was lost over it or gave it back, and it waits for the next one."""
    return run.state == RunState.QUEUED and run.silent_ms > 0


def _silent_ms(record: RunRecord, *, now: int, lease_ms: int) -> int:
    if record.state is RunState.RUNNING:
        # Records of older versions have no sign of life but the lease.
        return max(0, now - (record.renewed_at or record.lease_until - lease_ms))
    return max(0, now - record.heard_at) if record.is_left_alone and record.heard_at else 0


def _hold(record: RunRecord, *, now: int, silent_ms: int, lease_ms: int) -> Hold:
    if record.state is not RunState.RUNNING:
        return "none"
    if now >= record.lease_until:
        return "lapsed"
    return "silent" if silent_ms > lease_ms * _SILENT_SHARE else "held"
