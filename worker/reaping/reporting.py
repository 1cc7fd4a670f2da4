"""Says what the reaper has done: one log line, the metrics of the process that did it, the run's trace. No I/O but the
line.
"""

from __future__ import annotations

import logging

from worker.contract.closing import End
from worker.contract.errors import FailureCode
from worker.contract.log_lines import bound
from worker.contract.metric import Meter
from worker.contract.metrics import FIRST_EVENT_SECONDS, REAPER_ACTIONS, RUNS_ENDED, RUNS_FAILED, SILENCE_SECONDS
from worker.contract.run import RunRecord, RunState
from worker.contract.tracing import log_facts, place_of
from worker.reaping import tracing

logger = logging.getLogger(__name__)


class Reports:
    """What one sweep has done. Times are the server's, in ms."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter

    def requeued(self, record: RunRecord, now: int) -> None:
        silence = silent_ms(record, now)
        self._report("requeued", record, now)
        tracing.show_lost_attempt(record, now, code=FailureCode.WORKER_LOST, then=RunState.QUEUED, silent_ms=silence)
        self._meter.observe(SILENCE_SECONDS, silence / 1000)

    def ended(self, record: RunRecord, now: int, end: End) -> None:
        self._report(end.failure.code, record, now)
        tracing.show_end(record, now, end, silent_ms=silent_ms(record, now))
        self._meter.count(RUNS_ENDED, record.agent, end.state)
        if end.state is RunState.FAILED:
            self._meter.count(RUNS_FAILED, end.failure.code)
        if end.failure.code in (FailureCode.WORKER_LOST, FailureCode.STALLED):
            self._meter.observe(SILENCE_SECONDS, silent_ms(record, now) / 1000)

    def noticed(self, record: RunRecord, now: int) -> None:
        self._report("noticed", record, now)
        if not record.last_seq:
            self._meter.observe(FIRST_EVENT_SECONDS, silent_ms(record, now) / 1000)

    def rung(self, record: RunRecord, now: int) -> None:
        self._report("rung", record, now)

    def expired(self, record: RunRecord, now: int) -> None:
        """Nobody decided in time, which is no fault."""
        self._report("expired", record, now, level=logging.INFO)

    def _report(self, action: str, record: RunRecord, now: int, *, level: int = logging.WARNING) -> None:
        self._meter.count(REAPER_ACTIONS, action)
        facts = {"action": "reaped", "decision": action, "state": record.state, "silent_ms": silent_ms(record, now)}
        if record.owner:
            facts["lost_worker_id"] = record.owner
        trace = log_facts(place_of(record.traceparent))
        with bound(run_id=record.run_id, attempt=record.attempt, thread_id=record.thread_id, **trace):
            logger.log(level, "reaped", extra=facts)


def silent_ms(record: RunRecord, now: int) -> int:
    """How long nothing has been heard of a run: of its worker, of its agent where the worker lives; else how long it
    waits.
    """
    if record.state is not RunState.RUNNING:
        since = record.heard_at if record.is_left_alone else record.queued_at
    elif now < record.lease_until:
        since = record.written_at
    else:
        # Records of older versions have no sign of life but the lease.
        since = record.heard_at or record.lease_until
    return max(0, now - since)
