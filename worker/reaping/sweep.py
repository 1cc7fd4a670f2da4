"""One look at every unfinished run, by one process at a time."""

from __future__ import annotations

import logging
from typing import NamedTuple

from worker.contract import codec, keys, scripts
from worker.contract.approvals import Verdict, read_approvals, resolved_draft
from worker.contract.errors import DecodeError
from worker.contract.metric import UNMETERED, Meter
from worker.contract.run import FINISHED_STATES, RunRecord, RunState, decode_run
from worker.contract.tracing import is_traced
from worker.reaping.asks import Commands, Ring, Work
from worker.reaping.ending import conclude, leave_queue, read_events, retire, tell_of_wait
from worker.reaping.reporting import Reports
from worker.reaping.rules import Action, Close, Decision, ReaperRules, Requeue, Situation, decide
from worker.reaping.tracing import show_torn_calls

logger = logging.getLogger(__name__)

#: Between two sweeps of the process that is elected, and between two tries of the others.
SWEEP_SECONDS = 1.0
#: How long an elected process that died keeps the others from sweeping.
_TERM_MS = 3_000
#: A gap in the sweeping that is longer than this means that the server was away, or that nobody looked.
_GAP_MS = 2_500
#: A run that a client is about to list, or whose record has just been written, may look as if it were gone.
_LISTED_GRACE_MS = 15_000
_PAGE = 500
#: With many workers busy, a second message for each run that waits would cost them more than it helps.
_MOST_RINGS = 50
_LOST_WORDS = "The process that worked on this stopped unexpectedly; another one goes on."
#: What the rules read of a record; a message or an answer may be long.
_FIELDS = (
    *("thread_id", "user_id", "agent", "queue", "state", "created_at", "attempt", "losses", "queued_at", "ready_at"),
    *("rung_at", "noticed", "last_seq", "cancel_by", "cancel_at", "lease_until", "progress_until", "ended_at"),
    *("decide_by", "owner", "written_at", "renewed_at", "resume_reason", "claimed_at", "traceparent"),
)


class SweepSettings(NamedTuple):
    #: Random per process.
    reaper_id: str
    retention_ms: int
    #: Leases are left alone for this long after an outage, so that their holders can renew first.
    quiet_ms: int
    rules: ReaperRules
    meter: Meter = UNMETERED


class _Bells:
    """The messages that may be sent again for one page of runs: those of a long queue are most likely well."""

    def __init__(self) -> None:
        self._left = _MOST_RINGS

    def take(self) -> bool:
        """Use one up; False when none is left."""
        self._left -= 1
        return self._left >= 0


def sweep(settings: SweepSettings) -> Work[bool]:
    """Look at every unfinished run if it is this process's turn; returns whether it was to the end."""
    start = 0
    while True:
        # For each page anew: a sweep that takes long is no gap, and no other process may begin one beside it.
        elected, now, quiet_until = yield scripts.elect(
            settings.reaper_id, term_ms=_TERM_MS, gap_ms=_GAP_MS, quiet_ms=settings.quiet_ms
        )
        if not elected:
            return False
        [page] = yield Commands([("ZRANGE", keys.RUNS_LIVE, start, start + _PAGE - 1)])
        listed = [run_id.decode() for run_id in page]
        gone = 0
        bells = _Bells()
        for situation in (yield from _look(listed, now, leases_count=now >= quiet_until)):
            gone += yield from _act_safely(situation, settings, bells)
        if len(listed) < _PAGE:
            return True
        start += _PAGE - gone


def _look(listed: list[str], now: int, *, leases_count: bool) -> Work[list[Situation]]:
    """Read the records of these runs and who goes first in their threads."""
    if not listed:
        return []
    rows = yield Commands([("HMGET", keys.run(run_id), *_FIELDS) for run_id in listed])
    records = []
    for run_id, row in zip(listed, rows, strict=True):
        record = _record(run_id, row)
        if record is not None:
            records.append(record)
        else:
            yield from _forget(run_id, now)
    queued = [record for record in records if record.state is RunState.QUEUED]
    behind = yield from _behind(queued)
    return [Situation(record, now, leases_count, record.run_id not in behind) for record in records]


def _forget(run_id: str, now: int) -> Work[None]:
    """A listed run has no record: its retention has ended, or the server has lost it. Nothing is left to be told."""
    [listed_at] = yield Commands([("ZSCORE", keys.RUNS_LIVE, run_id)])
    if listed_at is not None and now - int(listed_at) > _LISTED_GRACE_MS:
        yield Commands([("ZREM", keys.RUNS_LIVE, run_id)])


def _behind(queued: list[RunRecord]) -> Work[set[str]]:
    """Say which of these runs have another one of their thread before them. One that is gone makes way."""
    if not queued:
        return set()
    firsts = yield Commands([("LINDEX", keys.thread_queue(record.thread_id), 0) for record in queued])
    others = {
        record.run_id: (record.thread_id, first.decode())
        for record, first in zip(queued, firsts, strict=True)
        if first is not None and first.decode() != record.run_id
    }
    if not others:
        return set()
    heads = set(others.values())
    states = yield Commands([("HGET", keys.run(first), "state") for _, first in heads])
    for (thread_id, first), state in zip(heads, states, strict=True):
        if state is None or state.decode() in FINISHED_STATES:
            yield from leave_queue(thread_id, first)
    return set(others)


def _record(run_id: str, row: list[bytes | None]) -> RunRecord | None:
    fields = {name.encode(): value for name, value in zip(_FIELDS, row, strict=True) if value is not None}
    try:
        return decode_run(run_id, {**fields, b"message": b""}) if fields else None
    except DecodeError:
        logger.exception("unreadable record", extra={"action": "reaper_skipped", "run_id": run_id})
        return None


def _act_safely(situation: Situation, settings: SweepSettings, bells: _Bells) -> Work[int]:
    """As `_act`; what is wrong with one run must not leave those behind it in the list alone."""
    try:
        return (yield from _act(situation, settings, bells))
    except Exception:
        logger.exception("could not reap", extra={"action": "reaper_skipped", "run_id": situation.record.run_id})
        return 0


def _act(situation: Situation, settings: SweepSettings, bells: _Bells) -> Work[int]:
    """Carry out what the rules say; returns 1 if the run has left the list."""
    gone = 0
    for decision in decide(situation, settings.rules):
        if decision is Action.RING and not bells.take():
            continue
        gone += yield from _carry_out(decision, situation, settings)
    return gone


def _carry_out(decision: Decision, situation: Situation, settings: SweepSettings) -> Work[int]:
    record, now, retention_ms = situation.record, situation.now, settings.retention_ms
    run_id, reports = record.run_id, Reports(settings.meter)
    match decision:
        case Close():
            return (yield from _close(decision, situation, settings))
        case Action.RETIRE:
            yield from retire(record)
            return 1
        case Action.POSTPONE:
            yield scripts.touch(run_id, "queued_at")
            return 0
        case Requeue(backoff_ms):
            is_done, report = (yield from _requeue(record, backoff_ms)), reports.requeued
        case Action.NOTICE:
            is_done, report = (yield from tell_of_wait(record, retention_ms=retention_ms)), reports.noticed
        case Action.RING:
            is_done, report = (yield from _ring(record)), reports.rung
        case Action.EXPIRE:
            is_done, report = (yield from _expire(record, now)), reports.expired
    if is_done:
        report(record, now)
        yield from _show_torn_calls(record, now)
    return 0


def _close(close: Close, situation: Situation, settings: SweepSettings) -> Work[int]:
    """End a run; returns 1 if it has left the list."""
    record, now, reports = situation.record, situation.now, Reports(settings.meter)
    ended_here: list[RunRecord] = []

    def note(before: RunRecord) -> None:
        ended_here.append(before)
        reports.ended(record, now, close.end)

    after = yield from conclude(
        record.run_id,
        close.end,
        retention_ms=settings.retention_ms,
        is_idle=close.is_idle,
        seen=record,
        on_end=note,
    )
    if ended_here:
        yield from _show_torn_calls(record, now)
    return int(after is None or after.is_finished)


def _show_torn_calls(record: RunRecord, now: int) -> Work[None]:
    """Show what the run's dead worker was in the middle of, if it had one."""
    if record.state is RunState.RUNNING and now >= record.lease_until and is_traced(record.traceparent):
        show_torn_calls(record, now, (yield from read_events(record.run_id)))


def _requeue(record: RunRecord, backoff_ms: int) -> Work[bool]:
    """Put a lost run back into the queue; False when it is not lost after all."""
    call = scripts.requeue(record.run_id, attempt=record.attempt, backoff_ms=backoff_ms, reason=_LOST_WORDS)
    is_back = bool((yield call) == b"ok")
    if is_back and not backoff_ms:
        yield from _ring(record)
    return is_back


def _ring(record: RunRecord) -> Work[bool]:
    """Ring for a run; False when it does not wait any more."""
    is_queued = bool((yield scripts.touch(record.run_id, "rung_at")))
    if is_queued:
        yield Ring(record.run_id, record.queue, record.agent)
    return is_queued


def _expire(record: RunRecord, now: int) -> Work[bool]:
    """Decide the approvals that nobody decided in time; the server's clock has the last word. False: none was."""
    has_decided = False
    [fields] = yield Commands([("HGETALL", keys.approvals(record.run_id))])
    for call_id, approval in read_approvals(fields).items():
        if approval.verdict is not None or now < approval.request.expires_at:
            continue
        verdict = Verdict(decision="expired", by="")
        resolved = resolved_draft(record, call_id, approval.request, verdict)
        answer = yield scripts.decide(
            record.run_id,
            call_id,
            by="clock",
            decision=codec.encode(verdict),
            attempt=record.attempt,
            resolved=resolved,
        )
        has_decided = has_decided or answer[0] == b"ok"
        if answer[0] == b"ok" and answer[1] == b"queued":
            yield from _ring(record)
    return has_decided
