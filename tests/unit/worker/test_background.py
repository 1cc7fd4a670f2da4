from __future__ import annotations

import asyncio

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

from tests.support.waiting import wait_until_async
from worker.background import end, repeat
from worker.redis_client import is_away


@pytest.mark.parametrize(
    "error", [RuntimeError("odd"), ResponseError("NOREPLICAS Not enough good replicas"), KeyError("x")]
)
async def test_work_that_failed_is_done_again(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.background.RETRY_SECONDS", 0.0)
    calls = []

    async def work() -> None:
        calls.append(1)
        if len(calls) == 1:
            raise error

    async def done_again() -> bool:
        return len(calls) > 2

    task = asyncio.ensure_future(repeat("test", work, every=0.0))
    await wait_until_async(done_again)
    task.cancel()


@pytest.mark.parametrize(
    ("error", "away"),
    [
        (RedisConnectionError("refused"), True),
        (ResponseError("NOREPLICAS Not enough good replicas to write."), True),
        (ResponseError("MISCONF Errors writing to the AOF file"), True),
        (ResponseError("Error running script: @user_script: 9: -OOM command not allowed"), True),
        (ResponseError("WRONGTYPE Operation against a key"), False),
        (ValueError("OOM"), False),
    ],
)
def test_a_passing_state_of_the_server_is_told_from_a_fault_of_ours(error: Exception, away: bool) -> None:
    assert is_away(error) is away


async def test_a_task_that_swallows_a_cancellation_is_cancelled_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.background.RETRY_SECONDS", 0.01)
    swallowed: list[int] = []

    async def stubborn() -> None:
        while True:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                if len(swallowed) == 2:
                    raise
                swallowed.append(1)

    task = asyncio.ensure_future(stubborn())
    await asyncio.sleep(0)

    await asyncio.wait_for(end([task]), 5)

    assert task.cancelled()
    assert len(swallowed) == 2
