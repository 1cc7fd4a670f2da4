"""Stops a run: the wish is stored before it is answered, and a run that nobody works on gets its end at once."""

from __future__ import annotations

from web.services import Services
from worker.contract.closing import stopped
from worker.contract.run import RunRecord, RunState
from worker.reaping.ending import conclude

#: Whose wish it was, as the story tells it; the person who reads it is the same.
BY = "user"


def cancel(services: Services, record: RunRecord) -> RunRecord:
    """Ask for a stop and give the run as it is after that; a finished run stays as it is."""
    if not record.is_finished:
        state = services.runs.cancel(record, by=BY)
        if state in (RunState.QUEUED, RunState.WAITING):
            services.driver.do(conclude(record.run_id, stopped(BY), retention_ms=services.settings.retention_ms))
    return services.runs.owned(record.run_id, record.user_id)
