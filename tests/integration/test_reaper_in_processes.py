"""The reaper beside everything else that a process does: in an OS thread of a web process, on a worker's loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import redis
from redis.asyncio import Redis

from tests.support.redis import running_server
from tests.support.run_log import Rung, run_log
from tests.support.runs import RUN, accept, change, read, server_ms
from tests.support.sweeping import sweep_settings
from tests.support.waiting import wait_until, wait_until_async
from tests.support.web import StoryWriter
from web.doorbell import Doorbell
from web.driver import Driver
from web.reaper import Reaper
from web.stores.client import connect as connect_web
from worker.contract import keys
from worker.contract.run import RunState
from worker.reaper import reap
from worker.redis_client import connect


def leave_behind(client: redis.Redis) -> None:
    """A run whose worker has died."""
    accept(client)
    assert StoryWriter(client, RUN).claim() == "ok"
    change(client, lease_until=1)


@pytest.fixture
def reaper(bytes_client: redis.Redis, redis_url: str) -> Iterator[Reaper]:
    doorbell = Doorbell(redis_url)
    made = Reaper(Driver(bytes_client, doorbell), sweep_settings("web_1"))
    yield made
    made.stop(5)
    doorbell.close()


@pytest.fixture
async def client(redis_url: str) -> AsyncIterator[Redis]:
    made = connect(redis_url)
    yield made
    await made.aclose()


def test_a_web_process_finds_a_run_that_nobody_works_on(reaper: Reaper, bytes_client: redis.Redis) -> None:
    leave_behind(bytes_client)
    reaper.start()

    wait_until(lambda: read(bytes_client).state == RunState.QUEUED)


def test_a_web_process_that_stops_sweeps_no_more(reaper: Reaper, bytes_client: redis.Redis) -> None:
    reaper.start()
    wait_until(lambda: bytes_client.exists(keys.REAPER), what="it has swept")

    reaper.begin_stop()
    reaper.stop(5)

    assert "reaper" not in [thread.name for thread in threading.enumerate()]


def test_a_reaper_that_never_began_can_be_stopped(reaper: Reaper) -> None:
    reaper.begin_stop()
    reaper.stop(5)


def test_a_web_process_sweeps_on_after_the_server_was_away(tmp_path: Path) -> None:
    with running_server(tmp_path) as server:
        client = connect_web(server.url)
        doorbell = Doorbell(server.url)
        reaper = Reaper(Driver(client, doorbell), sweep_settings("web_1"))
        leave_behind(client)
        change(client, lease_until=server_ms(client) + 60_000)
        reaper.start()
        wait_until(lambda: client.exists(keys.REAPER), what="it has swept")

        server.stop()
        server.start()

        wait_until(lambda: _answers(client), what="the server is back")
        change(client, lease_until=1)
        wait_until(lambda: read(client).state == RunState.QUEUED)
        reaper.stop(5)
        doorbell.close()
        client.close()
        client.connection_pool.disconnect()


def _answers(client: redis.Redis) -> bool:
    with suppress(redis.RedisError):
        return bool(client.ping())
    return False


def test_a_bell_that_cannot_be_rung_stops_no_sweep(bytes_client: redis.Redis, caplog: pytest.LogCaptureFixture) -> None:
    """The next sweeps make up for the message."""
    broken = Doorbell("redis://127.0.0.1:1")
    Driver(bytes_client, broken).ring(RUN, "default")
    broken.close()

    assert [record.message for record in caplog.records] == ["could not ring"]


async def test_a_worker_finds_a_run_that_nobody_works_on(client: Redis, bytes_client: redis.Redis) -> None:
    leave_behind(bytes_client)
    rung = Rung()
    task = asyncio.ensure_future(reap(run_log(client, rung), sweep_settings("wrk_1")))

    async def is_back() -> bool:
        return read(bytes_client).state == RunState.QUEUED and rung == [RUN]

    await wait_until_async(is_back)
    task.cancel()


async def test_of_a_web_and_a_worker_process_one_sweeps(
    reaper: Reaper, client: Redis, bytes_client: redis.Redis
) -> None:
    reaper.start()
    wait_until(lambda: bytes_client.hget(keys.REAPER, "holder") == b"web_1")
    task = asyncio.ensure_future(reap(run_log(client), sweep_settings("wrk_1")))

    async def holder_is_the_worker() -> bool:
        return bytes_client.hget(keys.REAPER, "holder") == b"wrk_1"

    reaper.stop(5)
    await wait_until_async(holder_is_the_worker, what="the worker took over")
    task.cancel()
