"""Finds runs that nobody works on: not taken (their message was lost) or left by a dead worker, and rings for them
again.

One worker at a time does this, chosen by a key that lapses. A ring that was not needed costs one refused claim.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any

from redis.asyncio import Redis

from worker.background import repeat
from worker.contract import keys
from worker.contract.run import FINISHED_STATES

logger = logging.getLogger(__name__)

SWEEP_SECONDS = 5.0
#: A run that nobody took for this long is rung for again; well above the time that a busy queue takes to be noticed.
QUEUED_GRACE_MS = 15_000
#: A run that waits because every worker is busy must not fill the queue with rings.
RING_AGAIN_SECONDS = 60.0
_ELECTED_MS = 10_000
_PAGE = 500


class Reaper:
    """Sweeps the list of unfinished runs. For the worker's event loop."""

    def __init__(self, client: Redis, *, worker_id: str, ring: Callable[[str], None]) -> None:
        self._client = client
        self._worker_id = worker_id
        #: Sends the doorbell message again. Blocks; called in an OS thread.
        self._ring = ring
        #: When which run was rung for, in which state.
        self._rung_at: dict[tuple[str, str], float] = {}

    async def keep(self) -> None:
        """Sweep for ever, whenever it is this worker's turn."""
        await repeat("reaper", self._sweep_if_elected, every=SWEEP_SECONDS)

    async def sweep(self) -> None:
        """Look at every unfinished run once."""
        self._forget_old_rings()
        start = 0
        while True:
            page: Any = await self._client.zrange(keys.RUNS_LIVE, start, start + _PAGE - 1)
            gone = await self._look([run_id.decode() for run_id in page])
            if len(page) < _PAGE:
                return
            start += _PAGE - gone

    async def _sweep_if_elected(self) -> None:
        if await self._elected():
            await self.sweep()

    async def _elected(self) -> bool:
        if await self._client.set(keys.REAPER, self._worker_id, nx=True, px=_ELECTED_MS):
            return True
        return bool(await self._client.get(keys.REAPER) == self._worker_id.encode())

    async def _look(self, run_ids: list[str]) -> int:
        """Returns how many entries were dropped from the list."""
        async with self._client.pipeline(transaction=False) as pipe:
            for run_id in run_ids:
                pipe.hmget(keys.run(run_id), "state", "created_at", "lease_until")
                pipe.zscore(keys.RUNS_LIVE, run_id)
            # Leases are in the server's time, which need not be ours.
            pipe.time()
            *answers, (seconds, microseconds) = await pipe.execute()
        now = seconds * 1000 + microseconds // 1000
        gone = 0
        for run_id, (state, created_at, lease_until), listed_at in zip(
            run_ids, answers[::2], answers[1::2], strict=True
        ):
            if state is None and now - int(listed_at or 0) < QUEUED_GRACE_MS:
                continue
            if state is None or state.decode() in FINISHED_STATES:
                gone += int(await self._client.zrem(keys.RUNS_LIVE, run_id))
            elif _is_overdue(state, int(created_at), int(lease_until or 0), now):
                await self._ring_once_a_while(run_id, state.decode())
        return gone

    async def _ring_once_a_while(self, run_id: str, state: str) -> None:
        if (run_id, state) in self._rung_at:
            return
        logger.warning("ringing again", extra={"action": "reaped", "run_id": run_id, "state": state})
        await asyncio.to_thread(self._ring, run_id)
        self._rung_at[run_id, state] = time.monotonic()

    def _forget_old_rings(self) -> None:
        since = time.monotonic() - RING_AGAIN_SECONDS
        self._rung_at = {rung: at for rung, at in self._rung_at.items() if at > since}


def _is_overdue(state: bytes, created_at: int, lease_until: int, now: int) -> bool:
    if state == b"queued":
        return now - created_at > QUEUED_GRACE_MS
    return state == b"running" and now > lease_until
