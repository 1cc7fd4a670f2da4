"""The reaper in a worker: finds runs that nobody works on (see `worker.reaping`)."""

from __future__ import annotations

from worker.background import repeat
from worker.log import RunLog
from worker.reaping.sweep import SWEEP_SECONDS, SweepSettings, sweep


async def reap(log: RunLog, settings: SweepSettings) -> None:
    """Sweep for ever, whenever it is this process's turn."""

    async def look() -> None:
        await log.work(sweep(settings))

    await repeat("reaper", look, every=SWEEP_SECONDS)
