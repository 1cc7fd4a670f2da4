"""What becomes of a run that nobody seems to work on. Decided by its record and the clock of the server; no I/O.

| state   | and                                                        | then                                  |
|---------|------------------------------------------------------------|---------------------------------------|
| ended   |                                                            | take it off the lists                 |
| any     | a stop was asked for, and no worker has it or it is stuck  | end it as cancelled                   |
| queued  | not first in its thread                                    | its wait for a worker has not begun   |
| queued  | waited too long for a worker                               | end it as `no_worker`                 |
| queued  | waited for some seconds, and nobody was told               | tell the viewers                      |
| queued  | not rung for since it is queued, or not lately             | ring                                  |
| running | lease lapsed, lost too often                               | end it as `worker_lost`               |
| running | lease lapsed                                               | put it back into the queue, ring      |
| running | lease held, but silent for too long                        | end it as `stalled`                   |
| waiting | the time to decide on an approval is over                  | decide it as expired                  |
"""

from __future__ import annotations

from enum import Enum, auto
from typing import NamedTuple

from worker.contract.closing import End, stopped
from worker.contract.errors import FailureCode
from worker.contract.events import Failure
from worker.contract.run import RunRecord, RunState

#: After the n-th loss; a run that kills its workers should not do so in a tight loop.
BACKOFF_MS = (0, 2_000, 10_000, 30_000)
#: The longer a run waits, the more likely is it that workers are busy and its message is well: the pause between two
#: rings grows to this part of the wait, so that ten minutes of waiting cost some fifteen messages.
_RINGS_THIN_OUT = 3


class ReaperRules(NamedTuple):
    """Limits in ms, but for `max_losses`."""

    max_losses: int = 3
    #: A queued run that no worker took for this long fails.
    queue_timeout_ms: int = 600_000
    #: After so long viewers are told that it waits; a worker that is there takes a run within milliseconds.
    notice_ms: int = 5_000
    #: A queued run is rung for again: its message was lost, or every worker is busy.
    ring_ms: int = 3_000
    #: A worker that holds its lease ends a run within 2 s of the wish.
    stop_ms: int = 15_000


class Action(Enum):
    RETIRE = auto()
    POSTPONE = auto()
    NOTICE = auto()
    RING = auto()
    EXPIRE = auto()


class Requeue(NamedTuple):
    backoff_ms: int


class Close(NamedTuple):
    end: End
    #: False: the run is ended although a worker holds its lease.
    is_idle: bool = True


Decision = Action | Requeue | Close


class Situation(NamedTuple):
    """A run as the reaper finds it. Times are the server's, in ms."""

    record: RunRecord
    now: int
    #: False for a moment after an outage: nobody could renew, or take a run.
    leases_count: bool
    #: False when another run of its thread goes first.
    is_first: bool


def decide(situation: Situation, rules: ReaperRules) -> list[Decision]:
    """Say what is to be done, in order; nothing for a run that is well."""
    record, now, leases_count, _ = situation
    if record.is_finished:
        return [Action.RETIRE]
    if record.state is RunState.QUEUED:
        return _decide_queued(situation, rules)
    if record.state is RunState.WAITING:
        return _decide_waiting(record, now)
    if now >= record.lease_until:
        return _decide_lapsed(record, rules) if leases_count else []
    if record.cancel_by and now - record.cancel_at > rules.stop_ms:
        return [Close(stopped(record.cancel_by), is_idle=False)]
    if record.progress_until and now > record.progress_until and leases_count:
        return [Close(_STALLED, is_idle=False)]
    return []


def _decide_queued(situation: Situation, rules: ReaperRules) -> list[Decision]:
    record, now, leases_count, is_first = situation
    if record.cancel_by:
        return [Close(stopped(record.cancel_by))]
    if not is_first:
        return [Action.POSTPONE]
    waited = now - max(record.queued_at, record.ready_at)
    if waited > rules.queue_timeout_ms and leases_count:
        return [Close(_no_worker(rules))]
    found: list[Decision] = [Action.NOTICE] if waited > rules.notice_ms and not record.noticed else []
    if _is_to_ring(record, now, rules):
        found.append(Action.RING)
    return found


def _is_to_ring(record: RunRecord, now: int, rules: ReaperRules) -> bool:
    if now < record.ready_at:
        return False
    # A new run was rung for when it was accepted; one that came back may not have been.
    if record.attempt > 0 and not record.rung_at:
        return True
    queued_at = max(record.queued_at, record.ready_at)
    silence = now - max(record.rung_at, queued_at)
    return silence > max(rules.ring_ms, (now - queued_at) // _RINGS_THIN_OUT)


def _decide_waiting(record: RunRecord, now: int) -> list[Decision]:
    if record.cancel_by:
        return [Close(stopped(record.cancel_by))]
    return [Action.EXPIRE] if now >= record.decide_by else []


def _decide_lapsed(record: RunRecord, rules: ReaperRules) -> list[Decision]:
    if record.cancel_by:
        return [Close(stopped(record.cancel_by))]
    if record.losses + 1 >= rules.max_losses:
        return [Close(_WORKER_LOST)]
    backoff_ms = BACKOFF_MS[min(record.losses, len(BACKOFF_MS) - 1)]
    return [Requeue(backoff_ms)]


def _failed(code: FailureCode, message: str) -> End:
    return End(Failure(code=code, message=message, retryable=True))


def _no_worker(rules: ReaperRules) -> End:
    minutes = rules.queue_timeout_ms / 60_000
    return _failed(FailureCode.NO_WORKER, f"No worker took this within {minutes:g} min. Ask again later.")


_WORKER_LOST = _failed(
    FailureCode.WORKER_LOST, "The processes that worked on this were lost again and again. Ask again to start over."
)
_STALLED = _failed(FailureCode.STALLED, "The agent made no progress for too long and was stopped.")
