from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from tests.unit.web.relay.world import LIMITS
from web.relay.errors import HistoryUnavailable
from web.relay.feed import Read
from web.relay.history import Owner, Top
from web.relay.hub import Hub
from web.relay.ring import Page
from web.relay.source import Source

pytestmark = pytest.mark.anyio


class Unreachable:
    """A Redis that never answers."""

    async def owner(self, run_id: str) -> Owner | None:
        raise HistoryUnavailable("away")

    async def read(self, run_id: str, read: Read) -> Page:
        raise HistoryUnavailable("away")

    async def tops(self, run_ids: Sequence[str]) -> list[Top | None]:
        raise HistoryUnavailable("away")


async def test_a_run_that_two_audits_in_a_row_do_not_find_is_given_up() -> None:
    source = Source("run_1", Hub(Unreachable(), LIMITS), LIMITS)

    findings = [None, Top(0, ""), None, None]

    assert [source.audit(top) for top in findings] == [True, True, True, False]


async def test_tasks_end_although_one_takes_its_cancellation_for_something_else() -> None:
    hub = Hub(Unreachable(), LIMITS)
    cancellations = 0

    async def stubborn() -> None:
        nonlocal cancellations
        while cancellations < 3:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                cancellations += 1

    hub.spawn(stubborn())
    await asyncio.sleep(0)

    await asyncio.wait_for(hub.end_tasks(), 5)

    assert cancellations == 3
