"""Stops a run: the wish is stored before it is answered, and a run that nobody works on gets its end at once."""

from __future__ import annotations

from web.services import Services
from worker.contract.clock import now_ms
from worker.contract.closing import stopped
from worker.contract.metrics import RUNS_ENDED
from worker.contract.run import RunRecord, RunState
from worker.reaping.ending import conclude
from worker.reaping.tracing import show_end

#: Whose wish it was, as the story tells it, unless an operator asks; the person who reads it is the same.
BY = "user"


def cancel(services: Services, record: RunRecord, *, by: str = BY) -> RunRecord:
    """Ask for a stop and give the run as it is after that; a finished run stays as it is."""
    if not record.is_finished:
        state = services.runs.cancel(record, by=by)
        if state in (RunState.QUEUED, RunState.WAITING):
            end = stopped(by)

            def note(ended: RunRecord) -> None:
                services.meters.count(RUNS_ENDED, ended.agent, end.state)
                show_end(ended, now_ms(), end)

            retention_ms = services.settings.retention_ms
            services.driver.do(conclude(record.run_id, end, retention_ms=retention_ms, on_end=note))
    return services.runs.owned(record.run_id, record.user_id)
