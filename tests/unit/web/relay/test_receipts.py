from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace

import pytest

from tests.support.waiting import wait_until_async
from web.relay.errors import HistoryUnavailable
from web.relay.limits import RelayLimits
from web.relay.receipts import Reader, Receipt, Receipts

LIMITS = replace(RelayLimits(), receipt_seconds=0.0, receipt_batch=3, receipts=5, reconnect_last_seconds=0.01)
TAB = Reader("usr_1", "tab1")


class Store:
    """Takes acks in the place of Redis, unless it is away."""

    def __init__(self) -> None:
        self.batches: list[list[Receipt]] = []
        self.is_away = False
        self.is_slow = asyncio.Event()
        self.is_slow.set()

    async def acknowledge(self, receipts: Sequence[Receipt]) -> None:
        await self.is_slow.wait()
        if self.is_away:
            raise HistoryUnavailable("away")
        self.batches.append(list(receipts))

    @property
    def stored(self) -> list[Receipt]:
        return [receipt for batch in self.batches for receipt in batch]


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


async def test_only_the_newest_ack_of_a_viewer_and_run_is_stored() -> None:
    store = Store()
    receipts = Receipts(store, LIMITS)
    other = Reader("usr_1", "tab2")

    for seq in (1, 4, 3):
        receipts.note(TAB, "run_1", seq)
    receipts.note(other, "run_1", 2)
    receipts.note(TAB, "run_2", 9)

    assert await receipts.flush()
    assert store.batches == [[Receipt("run_1", TAB, 4), Receipt("run_1", other, 2), Receipt("run_2", TAB, 9)]]


async def test_many_acks_are_stored_in_bounded_batches() -> None:
    store = Store()
    receipts = Receipts(store, LIMITS)
    for number in range(5):
        receipts.note(TAB, f"run_{number}", 1)

    assert await receipts.flush()

    assert [len(batch) for batch in store.batches] == [3, 2]


async def test_what_redis_did_not_take_is_stored_when_it_is_back() -> None:
    store = Store()
    receipts = Receipts(store, LIMITS)
    store.is_away = True
    receipts.note(TAB, "run_1", 5)
    receipts.note(TAB, "run_2", 5)
    assert not await receipts.flush()

    receipts.note(TAB, "run_1", 7)
    receipts.note(TAB, "run_2", 2)
    store.is_away = False

    assert await receipts.flush()
    assert sorted(store.stored) == [Receipt("run_1", TAB, 7), Receipt("run_2", TAB, 5)]


async def test_acks_come_in_by_themselves_over_an_outage() -> None:
    store = Store()
    receipts = Receipts(store, LIMITS)
    store.is_away = True
    keeping = asyncio.create_task(receipts.keep())
    receipts.note(TAB, "run_1", 5)
    await asyncio.sleep(0.05)  # Several tries.
    store.is_away = False

    async def is_stored() -> bool:
        return store.stored == [Receipt("run_1", TAB, 5)]

    await wait_until_async(is_stored)
    keeping.cancel()


async def test_acks_are_dropped_and_that_is_said_when_redis_is_away_for_long(caplog: pytest.LogCaptureFixture) -> None:
    store, clock = Store(), Clock()
    receipts = Receipts(store, LIMITS, clock=clock)
    store.is_away = True
    for _ in range(3):
        receipts.note(TAB, "run_1", 5)
        await receipts.flush()
    assert [record.getMessage() for record in caplog.records] == ["acks wait"]

    clock.now = LIMITS.receipt_patience_seconds + 1
    await receipts.flush()
    store.is_away = False
    await receipts.flush()

    assert store.stored == []
    assert facts(caplog)[-1] == ("acks_dropped", 1)


async def test_more_acks_than_may_wait_are_counted_and_not_kept(caplog: pytest.LogCaptureFixture) -> None:
    store = Store()
    receipts = Receipts(store, LIMITS)
    for number in range(8):
        receipts.note(TAB, f"run_{number}", 1)
    receipts.note(TAB, "run_0", 2)

    await receipts.flush()

    assert len(store.stored) == 5
    assert Receipt("run_0", TAB, 2) in store.stored
    assert facts(caplog) == [("acks_dropped", 3)]


async def test_a_slow_store_does_not_hold_up_who_acks_nor_the_batch_that_is_under_way() -> None:
    store = Store()
    receipts = Receipts(store, LIMITS)
    store.is_slow.clear()
    receipts.note(TAB, "run_1", 1)
    first = asyncio.create_task(receipts.flush())
    await asyncio.sleep(0)
    receipts.note(TAB, "run_1", 2)
    last = asyncio.create_task(receipts.flush())
    await asyncio.sleep(0)
    assert not last.done()

    store.is_slow.set()

    assert await first
    assert await last
    assert [receipt.seq for receipt in store.stored] == [1, 2]


def facts(caplog: pytest.LogCaptureFixture) -> list[tuple[str, int]]:
    errors = [vars(record) for record in caplog.records if record.levelno == logging.ERROR]
    return [(record["action"], record["acks"]) for record in errors]
