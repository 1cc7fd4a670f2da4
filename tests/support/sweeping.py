"""The reaper as each kind of process drives it, with rules and clocks of the test's choice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol, TypeVar

import redis

from tests.support.asking import rings
from tests.support.run_log import Rung, run_log
from web.doorbell import Doorbell
from web.driver import Driver
from web.stores.client import connect as connect_web
from worker.reaping.asks import Work
from worker.reaping.rules import ReaperRules
from worker.reaping.sweep import SweepSettings
from worker.redis_client import connect

T = TypeVar("T")

RETENTION_MS = 60_000


class Hand(Protocol):
    """A process that does the reaper's work."""

    async def do(self, work: Work[T]) -> T: ...

    @property
    def rung(self) -> list[str]:
        """The runs that it has rung for, in order."""


class WorkerHand:
    def __init__(self, url: str) -> None:
        self.client = connect(url)
        self.rung = Rung()
        self._log = run_log(self.client, self.rung)

    async def do(self, work: Work[T]) -> T:
        return await self._log.work(work)


class WebHand:
    def __init__(self, url: str) -> None:
        self.client: redis.Redis = connect_web(url)
        self.doorbell = Doorbell(url)
        self._driver = Driver(self.client, self.doorbell)

    async def do(self, work: Work[T]) -> T:
        return await asyncio.to_thread(self._driver.do, work)

    @property
    def rung(self) -> list[str]:
        return rings(self.client)


@asynccontextmanager
async def hand_of(kind: str, url: str) -> AsyncIterator[Hand]:
    """A hand of a `worker` or a `web` process."""
    if kind == "worker":
        worker = WorkerHand(url)
        yield worker
        await worker.client.aclose()
    else:
        web = WebHand(url)
        yield web
        web.doorbell.close()
        web.client.close()
        web.client.connection_pool.disconnect()


def sweep_settings(reaper_id: str = "me", *, quiet_ms: int = 0, **rules: int) -> SweepSettings:
    return SweepSettings(reaper_id, RETENTION_MS, quiet_ms, ReaperRules(**rules))
