"""Keeps the leases of all runs of this process, and learns with the same call who wants a run stopped."""

from __future__ import annotations

from collections.abc import Iterable

from worker.background import repeat
from worker.engine import ExecutionEngine
from worker.log import RunLog
from worker.outcomes import Cancelled, Lost

#: A lease outlives three missed renewals, so a slow moment of Redis or of this process costs nothing.
LEASE_MS = 10_000
RENEW_SECONDS = 3.0


class LeaseKeeper:
    """Renews in the background; `look` renews at once when someone rings."""

    def __init__(self, engine: ExecutionEngine, log: RunLog) -> None:
        self._engine = engine
        self._log = log

    async def keep(self) -> None:
        """Renew for ever. While the server is away, the writes of the runs have a deadline for that."""
        await repeat("leases", lambda: self.look(list(self._engine.running)), every=RENEW_SECONDS)

    async def look(self, run_ids: Iterable[str]) -> None:
        """Renew these runs now and end those that are lost or not wanted any more."""
        attempts = {
            run_id: self._engine.running[run_id].attempt for run_id in run_ids if run_id in self._engine.running
        }
        for run_id, lease in (await self._log.renew(attempts)).items():
            running = self._engine.running.get(run_id)
            if running is None or running.attempt != attempts[run_id]:
                continue
            if not lease.held:
                running.end(Lost())
            elif lease.cancel_by:
                running.end(Cancelled(lease.cancel_by))
