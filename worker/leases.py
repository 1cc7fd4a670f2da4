"""Keeps the leases of all runs of this process, and learns with the same call who wants a run stopped."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from worker.background import repeat
from worker.contract.closing import stopped
from worker.contract.log_lines import bound
from worker.contract.metric import UNMETERED, Meter
from worker.contract.metrics import LEASES_LOST
from worker.engine import ExecutionEngine
from worker.log import Hold, RunLog
from worker.outcomes import Lost
from worker.running import RunningRun

#: A lease outlives three missed renewals, so a slow moment of Redis or of this process costs nothing.
RENEWALS_PER_LEASE = 0.3


class LeaseKeeper:
    """Renews in the background; `look` renews at once when someone rings."""

    def __init__(self, engine: ExecutionEngine, log: RunLog, *, every: float, meter: Meter = UNMETERED) -> None:
        self._engine = engine
        self._log = log
        self._every = every
        self._meter = meter
        self._recoveries: dict[str, asyncio.Task[None]] = {}

    async def keep(self) -> None:
        """Renew for ever. While the server is away, the writes of the runs have a deadline for that."""
        await repeat("leases", lambda: self.look(list(self._engine.running)), every=self._every)

    async def look(self, run_ids: Iterable[str]) -> None:
        """Renew these runs now and end those that are lost or not wanted any more."""
        held = {run_id: running for run_id in run_ids if (running := self._engine.running.get(run_id)) is not None}
        answers = await self._log.renew((running.record, running.written) for running in held.values())
        for run_id, (hold, cancel_by) in answers.items():
            running = held[run_id]
            if hold is Hold.LOST:
                self._meter.count(LEASES_LOST, "lost")
                running.end(Lost())
            elif hold is Hold.BEHIND:
                self._meter.count(LEASES_LOST, "behind")
                self._recover(run_id, running)
            elif cancel_by:
                running.end(stopped(cancel_by))

    def _recover(self, run_id: str, running: RunningRun) -> None:
        """In the background: it waits for the run's own write, and the other runs' leases must not wait for that."""
        if run_id not in self._recoveries:
            with bound(run_id=run_id, attempt=running.record.attempt, thread_id=running.record.thread_id):
                task = self._recoveries[run_id] = asyncio.ensure_future(running.recover())
            task.add_done_callback(lambda _: self._recoveries.pop(run_id, None))
