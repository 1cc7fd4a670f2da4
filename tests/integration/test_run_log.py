"""The worker's log on a real server: one event per write, whatever happens to replies, connections and the server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import redis as sync_redis
from redis.asyncio import Redis

from tests.support.proxy import running_proxy
from tests.support.redis import RedisServer, running_server
from worker.agent.errors import AttemptLost, LogUnavailable
from worker.contract import keys, scripts
from worker.contract.events import AgentFailed, AgentFailedData, AgentStarted, AgentStartedData, Failure
from worker.contract.run import RunRecord, RunState
from worker.contract.scripts import Ending, ToolResult
from worker.log import RunLog
from worker.redis_client import connect, run_script

RUN = "run_1"


def started(run: RunRecord) -> AgentStarted:
    return AgentStarted(
        run_id=run.run_id,
        thread_id=run.thread_id,
        attempt=run.attempt,
        agent_name=run.agent,
        agent_call_id="a1",
        parent_call_id=None,
        at=1,
        data=AgentStartedData(input="hi", model=None, tools=[]),
    )


def failed(run: RunRecord) -> AgentFailed:
    return AgentFailed(
        terminal=True,
        run_id=run.run_id,
        thread_id=run.thread_id,
        attempt=run.attempt,
        agent_name=run.agent,
        agent_call_id="a1",
        parent_call_id=None,
        at=1,
        data=AgentFailedData(error=Failure(code="agent_error", message="no")),
    )


@pytest.fixture
async def client(redis_url: str) -> AsyncIterator[Redis]:
    made = connect(redis_url)
    yield made
    await made.aclose()


async def create(client: Redis, run_id: str = RUN) -> None:
    call = scripts.create(run_id=run_id, thread_id="thr_1", user_id="usr_1", agent="data", message="hi")
    assert await run_script(client, call) == b"created"


def run_log(client: Redis, *, worker_id: str = "wrk_1", lease_ms: int = 10_000) -> RunLog:
    return RunLog(client, worker_id=worker_id, lease_ms=lease_ms, retention_ms=60_000)


async def claimed(log: RunLog) -> RunRecord:
    record = await log.claim(RUN)
    assert record is not None
    return record


async def test_a_lost_reply_does_not_make_a_second_event(redis_server: RedisServer, redis_url: str) -> None:
    with running_proxy(redis_server.port) as proxy:
        client = connect(redis_url.replace(str(redis_server.port), str(proxy.port)))
        await create(client)
        log = run_log(client)
        record = await claimed(log)
        writer = log.writer(record)
        await writer.append(started(record))

        proxy.swallow_reply_to(b"agent_failed")
        place = await writer.append(failed(record), ending=Ending(RunState.FAILED))

        assert proxy.swallowed == 1
        assert place.seq == 2
        assert [event.seq for event in await log.events(RUN)] == [1, 2]
        await client.aclose()


async def test_writes_wait_for_a_server_that_restarts(tmp_path: Path) -> None:
    with running_server(tmp_path) as server:
        client = connect(server.url)
        await create(client)
        log = run_log(client)
        record = await claimed(log)
        writer = log.writer(record)
        await writer.append(started(record))

        server.stop()
        write = asyncio.ensure_future(writer.append(failed(record), ending=Ending(RunState.FAILED)))
        await asyncio.sleep(0.2)
        assert not write.done()
        await asyncio.to_thread(server.start)

        assert (await asyncio.wait_for(write, 10)).seq == 2
        await client.aclose()


async def test_a_stale_attempt_writes_nothing(client: Redis) -> None:
    await create(client)
    first = run_log(client, worker_id="wrk_1", lease_ms=1)
    second = run_log(client, worker_id="wrk_2")
    old = await claimed(first)
    old_writer = first.writer(old)
    await old_writer.append(started(old))
    await asyncio.sleep(0.01)

    new = await claimed(second)

    assert (old.attempt, new.attempt) == (1, 2)
    with pytest.raises(AttemptLost):
        await old_writer.append(failed(old), ending=Ending(RunState.FAILED))
    assert len(await first.events(RUN)) == 1


async def test_a_run_held_by_a_live_worker_cannot_be_claimed(client: Redis) -> None:
    await create(client)
    await claimed(run_log(client))

    assert await run_log(client, worker_id="wrk_2").claim(RUN) is None


async def test_a_renewal_tells_of_a_wish_to_stop_and_of_a_lost_run(client: Redis) -> None:
    await create(client)
    log = run_log(client)
    record = await claimed(log)
    await client.hset(keys.run(RUN), "cancel_by", "user")

    leases = await log.renew({RUN: record.attempt, "run_unknown": 1})

    assert leases[RUN].held
    assert leases[RUN].cancel_by == "user"
    assert not leases["run_unknown"].held


async def test_a_whole_tool_result_is_kept_beside_the_event_and_ages_with_the_run(
    client: Redis, redis_client: sync_redis.Redis
) -> None:
    await create(client)
    log = run_log(client)
    record = await claimed(log)
    writer = log.writer(record)

    await writer.append(started(record), result=ToolResult("a1.t1", b'"long"'))
    await writer.append(failed(record), ending=Ending(RunState.FAILED))

    key = keys.tool_result(RUN, "a1.t1")
    assert redis_client.get(key) == '"long"'
    assert all(0 < redis_client.pttl(name) <= 60_000 for name in (key, keys.run(RUN), keys.log(RUN)))


async def test_the_log_of_a_live_run_does_not_age(client: Redis, redis_client: sync_redis.Redis) -> None:
    await create(client)
    log = run_log(client)
    record = await claimed(log)
    await log.writer(record).append(started(record))

    assert redis_client.pttl(keys.log(RUN)) == -1
    assert redis_client.pttl(keys.run(RUN)) == -1


async def test_history_is_the_earlier_turns_of_the_thread_oldest_first(client: Redis) -> None:
    for place, run_id in enumerate(["run_a", "run_b", RUN, "run_later"]):
        await create(client, run_id)
        await client.hset(keys.run(run_id), mapping={"message": f"question {run_id}", "answer": f"answer {run_id}"})
        await client.zadd(keys.thread_runs("thr_1"), {run_id: place})
    log = run_log(client)

    turns = await log.history(await claimed(log))

    assert [turn.answer for turn in turns] == ["answer run_a", "answer run_b"]


async def test_after_an_outage_longer_than_the_deadline_the_next_write_still_fits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.log.DEADLINE_SECONDS", 0.2)
    with running_server(tmp_path) as server:
        client = connect(server.url)
        await create(client)
        log = run_log(client)
        record = await claimed(log)
        writer = log.writer(record)
        await writer.append(started(record))
        server.stop()
        with pytest.raises(LogUnavailable):
            await writer.append(started(record))
        await asyncio.to_thread(server.start)

        place = await writer.append(failed(record), ending=Ending(RunState.FAILED))

        assert place.seq == 3
        assert [event.seq for event in await log.events(RUN)] == [1, 2, 3]
        await client.aclose()


async def test_a_holder_that_renews_in_time_keeps_its_run_after_its_lease_has_lapsed(client: Redis) -> None:
    await create(client)
    holder = run_log(client, worker_id="wrk_1", lease_ms=1)
    record = await claimed(holder)
    await asyncio.sleep(0.01)

    claim = asyncio.ensure_future(run_log(client, worker_id="wrk_2").claim(RUN))
    await asyncio.sleep(0.1)
    await run_log(client, worker_id="wrk_1").renew({RUN: record.attempt})

    assert await claim is None


async def test_events_of_a_newer_version_are_passed_over(client: Redis) -> None:
    await create(client)
    log = run_log(client)
    record = await claimed(log)
    await log.writer(record).append(started(record))
    await client.xadd(keys.log(RUN), {"e": b'{"type":"from_the_future","seq":2}'}, id="2-0")

    assert [event.seq for event in await log.events(RUN)] == [1]
