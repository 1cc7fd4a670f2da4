"""One attempt's writes on a real server: each once and in order, whatever happens to replies and to the server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import redis as sync_redis
from redis.asyncio import Redis

from tests.support.proxy import running_proxy
from tests.support.redis import RedisServer, running_server
from tests.support.rollback import Snapshot, forget
from tests.support.run_log import failed, run_log, started, thought
from tests.support.runs import RUN, accept, change, create, listed, read, story
from tests.support.story import assert_whole_story, types
from tests.support.waiting import wait_until_async
from tests.support.web import StoryWriter
from web.stores.client import connect as connect_sync
from worker.agent.errors import AttemptLost, LogLost, LogUnavailable
from worker.agent.redaction import Redactor
from worker.contract import keys
from worker.contract.events import AgentFailed
from worker.contract.run import RunRecord, RunState
from worker.contract.scripts import Ending, Entries, ToolResult
from worker.leases import LeaseKeeper
from worker.log import Hold, RunLog
from worker.log_writer import LogWriter
from worker.outcomes import LOG_LOST, Lost, Outcome, Vanished
from worker.redis_client import connect, patiently
from worker.running import Left, RunningRun


@pytest.fixture
async def client(redis_url: str) -> AsyncIterator[Redis]:
    made = connect(redis_url)
    yield made
    await made.aclose()


@pytest.fixture
def log(client: Redis) -> RunLog:
    return run_log(client)


async def claimed(log: RunLog) -> RunRecord:
    record = await log.claim(RUN)
    assert record is not None
    return record


async def begun(log: RunLog, server: sync_redis.Redis) -> tuple[RunRecord, LogWriter]:
    """A run that has written its first event."""
    create(server)
    record = await claimed(log)
    writer = log.writer(record)
    await writer.append(started(record))
    return record, writer


def raw_log(server: sync_redis.Redis) -> list[Any]:
    """The entries of the log as they are stored: numbers, cursors and all."""
    entries: Any = server.xrange(keys.log(RUN))
    return list(entries)


async def test_a_lost_reply_does_not_make_a_second_event(
    redis_server: RedisServer, bytes_client: sync_redis.Redis
) -> None:
    with running_proxy(redis_server.port) as proxy:
        client = connect(f"redis://127.0.0.1:{proxy.port}")
        record, writer = await begun(run_log(client), bytes_client)

        proxy.swallow_reply_to(b"agent_failed")
        await writer.append(failed(record), ending=Ending(RunState.FAILED))

        assert proxy.swallowed == 1
        assert writer.written == 2
        assert_whole_story(story(bytes_client))
        await client.aclose()


async def test_writes_wait_for_a_server_that_restarts(tmp_path: Path) -> None:
    with running_server(tmp_path) as server:
        client, sync = connect(server.url), connect_sync(server.url)
        record, writer = await begun(run_log(client), sync)

        server.stop()
        write = asyncio.ensure_future(writer.append(failed(record), ending=Ending(RunState.FAILED)))
        done, _ = await asyncio.wait([write], timeout=0.2)
        assert not done
        await asyncio.to_thread(server.start)

        await asyncio.wait_for(write, 10)
        assert_whole_story(story(sync))
        await client.aclose()
        sync.close()


async def test_after_an_outage_longer_than_the_deadline_the_next_write_still_fits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.log_writer.patiently", partial(patiently, seconds=0.2))
    with running_server(tmp_path) as server:
        client, sync = connect(server.url), connect_sync(server.url)
        record, writer = await begun(run_log(client), sync)
        server.stop()
        with pytest.raises(LogUnavailable):
            await writer.append(thought(record, "said while it was away"))
        await asyncio.to_thread(server.start)

        await writer.append(failed(record), ending=Ending(RunState.FAILED))

        assert types(story(sync)) == ["agent_started", "agent_thinking", "agent_failed"]
        assert_whole_story(story(sync))
        await client.aclose()
        sync.close()


async def test_a_stale_attempt_writes_nothing(log: RunLog, bytes_client: sync_redis.Redis) -> None:
    record, writer = await begun(log, bytes_client)
    change(bytes_client, attempt=2, token="of another")

    with pytest.raises(AttemptLost, match="stale"):
        await writer.append(failed(record), ending=Ending(RunState.FAILED))
    with pytest.raises(AttemptLost):
        await writer.recover()
    assert len(story(bytes_client)) == 1


async def test_what_the_server_has_lost_is_written_again_with_the_same_cursors(
    log: RunLog, bytes_client: sync_redis.Redis
) -> None:
    record, writer = await begun(log, bytes_client)
    before = Snapshot(bytes_client, RUN)
    for text in "abc":
        await writer.append(thought(record, text))
    seen = raw_log(bytes_client)
    before.put_back()

    await writer.append(thought(record, "d"))

    assert raw_log(bytes_client)[:4] == seen
    assert [event.seq for event in story(bytes_client)] == [1, 2, 3, 4, 5]
    assert writer.written == read(bytes_client).last_seq == 5


async def test_what_belongs_to_the_lost_events_is_written_again_as_well(
    log: RunLog, bytes_client: sync_redis.Redis
) -> None:
    record, writer = await begun(log, bytes_client)
    before = Snapshot(bytes_client, RUN)
    await writer.append(thought(record, "a"), entries=Entries(journal={"tool:a1.t1": b"x"}, approvals={"a1.t1": b"y"}))
    await writer.append(thought(record, "b"), result=ToolResult("a1.t1", b"[1]"))
    await writer.append(None, entries=Entries(journal={"model:a1:1": b"z"}))
    before.put_back()
    bytes_client.delete(keys.tool_result(RUN, "a1.t1"))

    await writer.append(thought(record, "c"))

    assert bytes_client.hgetall(keys.journal(RUN)) == {b"tool:a1.t1": b"x", b"model:a1:1": b"z"}
    assert bytes_client.hgetall(keys.approvals(RUN)) == {b"a1.t1": b"y"}
    assert bytes_client.get(keys.tool_result(RUN, "a1.t1")) == b"[1]"
    assert types(story(bytes_client)) == ["agent_started", *["agent_thinking"] * 3]


async def test_a_claim_that_the_server_has_lost_is_taken_back_with_all_that_followed(
    log: RunLog, bytes_client: sync_redis.Redis
) -> None:
    create(bytes_client)
    before = Snapshot(bytes_client, RUN)
    record = await claimed(log)
    writer = log.writer(record)
    await writer.append(started(record))
    seen = raw_log(bytes_client)
    before.put_back()

    await writer.append(failed(record), ending=Ending(RunState.FAILED))

    assert raw_log(bytes_client)[:1] == seen
    assert_whole_story(story(bytes_client))
    assert (read(bytes_client).state, read(bytes_client).attempt) == (RunState.FAILED, 1)


async def test_a_last_event_that_the_server_has_lost_before_it_was_answered_is_written(
    redis_server: RedisServer, bytes_client: sync_redis.Redis
) -> None:
    """Redis took it, died, and came back without it and without the one before."""
    with running_proxy(redis_server.port) as proxy:
        client = connect(f"redis://127.0.0.1:{proxy.port}")
        record, writer = await begun(run_log(client), bytes_client)
        before = Snapshot(bytes_client, RUN)
        await writer.append(thought(record, "a"))
        proxy.swallow_reply_to(b"agent_failed", times=1_000)
        write = asyncio.ensure_future(writer.append(failed(record), ending=Ending(RunState.FAILED)))

        async def is_taken() -> bool:
            return proxy.swallowed > 0

        await wait_until_async(is_taken)
        before.put_back()
        proxy.swallow_reply_to(None)
        await asyncio.wait_for(write, 10)

        assert types(story(bytes_client)) == ["agent_started", "agent_thinking", "agent_failed"]
        assert_whole_story(story(bytes_client))
        await client.aclose()


async def test_a_record_that_was_lost_soon_after_the_run_began_is_made_anew(
    log: RunLog, bytes_client: sync_redis.Redis
) -> None:
    create(bytes_client)
    change(bytes_client, losses=2)
    record = await claimed(log)
    writer = log.writer(record)
    await writer.append(started(record))
    await writer.append(thought(record, "a"))
    seen = raw_log(bytes_client)
    forget(bytes_client, RUN)

    await writer.append(failed(record), ending=Ending(RunState.FAILED))

    assert raw_log(bytes_client)[:2] == seen
    assert_whole_story(story(bytes_client))
    after = read(bytes_client)
    assert (after.user_id, after.thread_id, after.message) == (record.user_id, record.thread_id, record.message)
    assert (after.created_at, after.started_at) == (record.created_at, record.started_at)
    # Else a run that ends every server it meets would be tried for ever.
    assert after.losses == 2


async def test_two_rollbacks_one_after_another_are_both_made_up_for(
    log: RunLog, bytes_client: sync_redis.Redis
) -> None:
    record, writer = await begun(log, bytes_client)
    before = Snapshot(bytes_client, RUN)
    await writer.append(thought(record, "a"))
    before.put_back()
    await writer.append(thought(record, "b"))
    before.put_back()

    await writer.append(failed(record), ending=Ending(RunState.FAILED))

    assert types(story(bytes_client)) == ["agent_started", "agent_thinking", "agent_thinking", "agent_failed"]


async def test_more_than_what_is_kept_cannot_be_written_again(
    log: RunLog, bytes_client: sync_redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.log_writer.KEEP_SECONDS", 0.0)
    record, writer = await begun(log, bytes_client)
    before = Snapshot(bytes_client, RUN)
    await writer.append(thought(record, "a"))
    await writer.append(thought(record, "b"))
    before.put_back()

    with pytest.raises(LogLost, match="2 writes are gone"):
        await writer.append(thought(record, "c"))
    assert types(story(bytes_client)) == ["agent_started"]


async def test_an_attempt_without_the_events_of_the_one_before_it_is_lost(
    log: RunLog, bytes_client: sync_redis.Redis
) -> None:
    create(bytes_client)
    first = StoryWriter(bytes_client, RUN)
    first.claim()
    before = Snapshot(bytes_client, RUN)
    first.start()
    first.release(RunState.QUEUED)
    record = await claimed(log)
    before.put_back()

    with pytest.raises(LogLost, match="earlier events are gone"):
        await log.writer(record).append(thought(record, "a"))


async def test_a_run_that_was_ended_while_the_server_had_lost_the_attempt_stays_ended(
    log: RunLog, bytes_client: sync_redis.Redis
) -> None:
    record, writer = await begun(log, bytes_client)
    forget(bytes_client, RUN)
    assert await log.conclude(record, LOG_LOST)
    # Who comes second has not ended it, and must not count it as ended.
    assert not await log.conclude(record, LOG_LOST)

    with pytest.raises(AttemptLost, match="finished"):
        await writer.append(thought(record, "a"))
    assert_whole_story(story(bytes_client))


@pytest.mark.parametrize("lost", ["writes", "claim", "record"])
async def test_a_run_that_writes_nothing_for_a_while_notices_by_its_lease(
    log: RunLog, bytes_client: sync_redis.Redis, lost: str
) -> None:
    accept(bytes_client)
    unclaimed = Snapshot(bytes_client, RUN)
    running = running_run(log, await claimed(log))
    await running.notifier.agent_started(running.root, task="hi", model=None, tools=[])
    one_event = Snapshot(bytes_client, RUN)
    await running.notifier.thinking(running.root, "hm", step=1, delta=False)
    seen = raw_log(bytes_client)
    keeper = keeper_of(log, running)
    match lost:
        case "record":
            forget(bytes_client, RUN)
        case "claim":
            unclaimed.put_back()
        case _:
            one_event.put_back()

    await keeper.look([RUN])

    async def is_back() -> bool:
        return raw_log(bytes_client) == seen

    await wait_until_async(is_back, what="what was lost is there again")
    assert not running.stop.done()
    assert listed(bytes_client) == [RUN]
    leases = await log.renew([(running.record, running.written)])
    assert leases[RUN].hold is Hold.HELD
    assert read(bytes_client).state == RunState.RUNNING


@pytest.mark.parametrize(("lost", "outcome"), [("too much", Vanished()), ("the run, to another", Lost())])
async def test_a_lease_that_cannot_be_had_back_ends_the_attempt(
    log: RunLog, bytes_client: sync_redis.Redis, monkeypatch: pytest.MonkeyPatch, lost: str, outcome: Outcome
) -> None:
    monkeypatch.setattr("worker.log_writer.KEEP_SECONDS", 0.0)
    accept(bytes_client)
    running = running_run(log, await claimed(log))
    await running.notifier.agent_started(running.root, task="hi", model=None, tools=[])
    await running.notifier.thinking(running.root, "hm", step=1, delta=False)
    if lost == "too much":
        forget(bytes_client, RUN)
    else:
        change(bytes_client, token="of another")

    await keeper_of(log, running).look([RUN])

    assert await asyncio.wait_for(running.stop, 10) == outcome


@pytest.mark.parametrize("gone", ["all of it", "a part"])
async def test_a_run_that_cannot_be_had_back_ends_visibly(
    log: RunLog, bytes_client: sync_redis.Redis, monkeypatch: pytest.MonkeyPatch, gone: str
) -> None:
    monkeypatch.setattr("worker.log_writer.KEEP_SECONDS", 0.0)
    record, writer = await begun(log, bytes_client)
    before = Snapshot(bytes_client, RUN)
    await writer.append(thought(record, "a"))
    await writer.append(thought(record, "b"))
    if gone == "a part":
        before.put_back()
    else:
        forget(bytes_client, RUN)
    with pytest.raises(LogLost):
        await writer.append(thought(record, "c"))

    assert await log.conclude(record, LOG_LOST)

    events = story(bytes_client)
    assert_whole_story(events)
    last = events[-1]
    assert isinstance(last, AgentFailed)
    assert (last.data.error.code, last.data.error.retryable) == ("log_lost", True)
    after = read(bytes_client)
    assert (after.state, after.user_id, after.message) == (RunState.FAILED, record.user_id, record.message)
    assert 0 < bytes_client.pttl(keys.run(RUN)) <= 60_000


async def test_a_run_whose_record_is_gone_is_buried_with_a_story_of_its_own(
    log: RunLog, bytes_client: sync_redis.Redis
) -> None:
    record, _ = await begun(log, bytes_client)
    forget(bytes_client, RUN)

    await log.conclude(record, LOG_LOST)

    assert types(story(bytes_client)) == ["agent_started", "agent_failed"]
    assert_whole_story(story(bytes_client))
    assert read(bytes_client).thread_id == record.thread_id


def running_run(log: RunLog, record: RunRecord) -> RunningRun:
    return RunningRun(record, Left([], {}, {}), log.writer(record), Redactor())


def keeper_of(log: RunLog, running: RunningRun) -> LeaseKeeper:
    class Engine:
        """All that a keeper wants of one."""

        def __init__(self) -> None:
            self.running = {RUN: running}

    engine: Any = Engine()
    return LeaseKeeper(engine, log, every=60)
