"""The worker's log on a real server: what it takes, gives back, reads, and takes off the lists."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import redis as sync_redis
from redis.asyncio import Redis

from tests.support.proxy import running_proxy
from tests.support.redis import RedisServer
from tests.support.run_log import Rung, failed, run_log, started, thought
from tests.support.runs import RUN, THREAD, accept, change, create, listed, queue_of, read, server_ms, story
from tests.support.web import StoryWriter
from web.stores.client import run_script
from worker.agent.errors import LogLost
from worker.contract import codec, keys, scripts
from worker.contract.approvals import Verdict, resolved_draft
from worker.contract.run import RunRecord, RunState
from worker.contract.scripts import Ending, Entries, ToolResult
from worker.log import MAX_HISTORY, Hold, Lease, RunLog
from worker.outcomes import WAITS_FOR_PERSON, WORKER_STOPPED
from worker.redis_client import connect


@pytest.fixture
async def client(redis_url: str) -> AsyncIterator[Redis]:
    made = connect(redis_url)
    yield made
    await made.aclose()


@pytest.fixture
def rung() -> Rung:
    return Rung()


@pytest.fixture
def log(client: Redis, rung: Rung) -> RunLog:
    return run_log(client, rung)


async def claimed(log: RunLog, run_id: str = RUN) -> RunRecord:
    record = await log.claim(run_id)
    assert record is not None
    return record


async def finished(log: RunLog, run_id: str = RUN) -> RunRecord:
    record = await claimed(log, run_id)
    writer = log.writer(record)
    await writer.append(started(record))
    await writer.append(failed(record), ending=Ending(RunState.FAILED))
    return record


async def test_a_run_held_by_a_worker_cannot_be_claimed(
    log: RunLog, client: Redis, bytes_client: sync_redis.Redis
) -> None:
    create(bytes_client)
    await claimed(log)

    assert await run_log(client, worker_id="wrk_2").claim(RUN) is None


async def test_there_is_nothing_to_claim_where_there_is_no_run(log: RunLog, bytes_client: sync_redis.Redis) -> None:
    assert await log.claim("run_ghost") is None
    assert bytes_client.keys() == []


async def test_a_run_that_is_not_due_yet_is_left_alone(log: RunLog, bytes_client: sync_redis.Redis) -> None:
    create(bytes_client)
    change(bytes_client, ready_at=server_ms(bytes_client) + 60_000)

    assert await log.claim(RUN) is None


async def test_a_worker_that_should_not_have_a_run_passes_the_bell_on(
    client: Redis, bytes_client: sync_redis.Redis
) -> None:
    """Else the bell is spent, and the run waits for the reaper's next one, which may come to the same worker."""
    create(bytes_client)
    rung = Rung()
    log = run_log(client, rung)
    await claimed(log)
    run_script(bytes_client, scripts.take_back(RUN, attempt=1, shun_ms=60_000, reason="Go on elsewhere."))

    assert await log.claim(RUN) is None
    assert rung == [RUN]

    assert await run_log(client, worker_id="wrk_2").claim(RUN) is not None


async def test_each_claim_has_a_token_of_its_own(log: RunLog, bytes_client: sync_redis.Redis) -> None:
    for run_id in ("run_a", "run_b"):
        create(bytes_client, run_id)

    tokens = {(await claimed(log, run_id)).token for run_id in ("run_a", "run_b")}

    assert len(tokens) == 2
    assert all(len(token) >= 16 for token in tokens)


async def test_a_claim_whose_reply_is_lost_is_still_a_claim(
    redis_server: RedisServer, bytes_client: sync_redis.Redis
) -> None:
    """Else the run would stand still until a lease that nobody knows of has lapsed."""
    create(bytes_client)
    with running_proxy(redis_server.port) as proxy:
        client = connect(f"redis://127.0.0.1:{proxy.port}")
        proxy.swallow_reply_to(keys.control_channel("wrk_1").encode(), times=2)

        record = await run_log(client).claim(RUN)

        assert proxy.swallowed == 2
        assert record is not None
        assert record.attempt == read(bytes_client).attempt == 1
        await client.aclose()


async def test_only_the_first_run_of_a_thread_can_be_claimed(log: RunLog, bytes_client: sync_redis.Redis) -> None:
    for run_id in ("run_a", "run_b"):
        accept(bytes_client, run_id)

    assert await log.claim("run_b") is None
    await log.retire(await finished(log, "run_a"))
    assert (await claimed(log, "run_b")).run_id == "run_b"


async def test_runs_of_other_threads_do_not_wait_for_each_other(log: RunLog, bytes_client: sync_redis.Redis) -> None:
    accept(bytes_client, "run_a", thread_id="thr_a")
    accept(bytes_client, "run_b", thread_id="thr_b")

    assert await log.claim("run_b") is not None


async def test_a_run_that_ends_rings_for_the_next_one_of_its_thread_and_leaves_the_lists(
    log: RunLog, rung: Rung, bytes_client: sync_redis.Redis
) -> None:
    for run_id in ("run_a", "run_b", "run_c"):
        accept(bytes_client, run_id)

    record = await finished(log, "run_a")
    await log.retire(record)

    assert rung == ["run_b"]
    assert queue_of(bytes_client) == ["run_b", "run_c"]
    assert listed(bytes_client) == ["run_b", "run_c"]
    assert bytes_client.zscore(keys.user_live(record.user_id), "run_a") is None
    assert bytes_client.zrange(keys.RUNS_UNSEEN, 0, -1) == [b"run_a"]
    await log.retire(record)
    assert queue_of(bytes_client) == ["run_b", "run_c"]


async def test_a_renewal_tells_of_a_wish_to_stop_and_of_lost_runs(log: RunLog, bytes_client: sync_redis.Redis) -> None:
    for run_id in ("run_a", "run_b", "run_c", "run_d"):
        accept(bytes_client, run_id, thread_id=f"thr_{run_id}")
    held = [(await claimed(log, run_id), 0) for run_id in ("run_a", "run_b", "run_c", "run_d")]
    run_script(bytes_client, scripts.cancel("run_a", by="user"))
    change(bytes_client, "run_b", token="of another")
    bytes_client.delete(keys.run("run_c"))

    assert await log.renew(held) == {
        "run_a": Lease(Hold.HELD, "user"),
        "run_b": Lease(Hold.LOST, ""),
        "run_c": Lease(Hold.BEHIND, ""),
        "run_d": Lease(Hold.HELD, ""),
    }


async def test_a_renewal_lists_its_runs_anew(log: RunLog, bytes_client: sync_redis.Redis) -> None:
    """A server that has lost its last writes may not know any more that they are unfinished."""
    accept(bytes_client)
    record = await claimed(log)
    bytes_client.delete(keys.RUNS_LIVE)

    await log.renew([(record, 0)])

    assert bytes_client.zrange(keys.RUNS_LIVE, 0, -1, withscores=True) == [(RUN.encode(), float(record.created_at))]


async def test_nothing_is_renewed_by_a_worker_that_has_nothing(log: RunLog, bytes_client: sync_redis.Redis) -> None:
    assert await log.renew([]) == {}
    assert bytes_client.keys() == []


async def test_a_run_that_is_handed_over_is_rung_for(log: RunLog, rung: Rung, bytes_client: sync_redis.Redis) -> None:
    accept(bytes_client)

    await log.release(await claimed(log), WORKER_STOPPED)

    assert rung == [RUN]
    assert read(bytes_client).resume_reason == WORKER_STOPPED.reason
    assert queue_of(bytes_client) == [RUN]


async def test_a_run_that_waits_for_a_person_is_not_rung_for(
    log: RunLog, rung: Rung, bytes_client: sync_redis.Redis
) -> None:
    accept(bytes_client)

    await log.release(await claimed(log), WAITS_FOR_PERSON)

    assert rung == []
    assert read(bytes_client).state == RunState.WAITING
    assert listed(bytes_client) == [RUN]


async def test_a_run_that_was_decided_on_before_it_could_wait_is_rung_for(
    log: RunLog, rung: Rung, bytes_client: sync_redis.Redis
) -> None:
    accept(bytes_client)
    worker = StoryWriter(bytes_client, RUN)
    worker.claim()
    worker.ask()
    record = read(bytes_client)
    approval = (await log.left(record)).approvals["a1.t1"]
    yes = Verdict(decision="approved", by="usr_1")
    resolved = resolved_draft(record, "a1.t1", approval.request, yes)
    call = scripts.decide(RUN, "a1.t1", by="person", decision=codec.encode(yes), attempt=1, resolved=resolved)
    run_script(bytes_client, call)

    await log.release(record, WAITS_FOR_PERSON)

    assert rung == [RUN]


async def test_an_attempt_that_was_lost_gives_nothing_back(
    log: RunLog, rung: Rung, bytes_client: sync_redis.Redis
) -> None:
    accept(bytes_client)
    record = await claimed(log)
    change(bytes_client, token="of another")

    await log.release(record, WORKER_STOPPED)

    assert rung == []
    assert read(bytes_client).state == RunState.RUNNING


async def test_the_next_attempt_reads_what_the_one_before_has_left(log: RunLog, bytes_client: sync_redis.Redis) -> None:
    accept(bytes_client)
    record = await claimed(log)
    await log.writer(record).append(started(record), entries=Entries(journal={"tool:a1.t1": b"{}"}))
    worker = waiting_after(bytes_client, record)

    left = await log.left(record)

    assert [event.seq for event in left.events] == [1, 2]
    assert left.journal == {"tool:a1.t1": b"{}"}
    assert left.approvals["a1.t1"].verdict is None
    assert worker.number == 2


def waiting_after(client: sync_redis.Redis, record: RunRecord) -> StoryWriter:
    """The same attempt, asking a person after its first write."""
    worker = StoryWriter(client, record.run_id)
    worker.attempt, worker.token, worker.number = record.attempt, record.token, 1
    assert worker.ask()[0] == "ok"
    return worker


async def test_a_long_story_is_read_whole(log: RunLog, bytes_client: sync_redis.Redis) -> None:
    create(bytes_client)
    record = await claimed(log)
    writer = log.writer(record)
    await writer.append(started(record))
    for number in range(1_000):
        await writer.append(thought(record, str(number)))

    assert [event.seq for event in await log.events(RUN)] == list(range(1, 1_002))


async def test_a_whole_tool_result_is_kept_beside_the_event_and_ages_with_the_run(
    log: RunLog, bytes_client: sync_redis.Redis
) -> None:
    create(bytes_client)
    record = await claimed(log)
    writer = log.writer(record)

    await writer.append(started(record), result=ToolResult("a1.t1", b'"long"'))
    assert await log.tool_result(RUN, "a1.t1") == b'"long"'
    await writer.append(failed(record), ending=Ending(RunState.FAILED))

    names = [keys.tool_result(RUN, "a1.t1"), keys.run(RUN), keys.log(RUN)]
    assert all(0 < bytes_client.pttl(name) <= 60_000 for name in names)


async def test_a_tool_result_that_is_gone_cannot_be_answered_with(log: RunLog) -> None:
    with pytest.raises(LogLost, match=r"a1\.t1"):
        await log.tool_result(RUN, "a1.t1")


async def test_history_is_the_earlier_turns_of_the_thread_oldest_first(
    log: RunLog, bytes_client: sync_redis.Redis
) -> None:
    for place, run_id in enumerate(["run_a", "run_b", RUN, "run_later"]):
        create(bytes_client, run_id)
        change(bytes_client, run_id, message=f"question {run_id}", answer=f"answer {run_id}")
        bytes_client.zadd(keys.thread_runs(THREAD), {run_id: place})

    turns = await log.history(await claimed(log))

    assert [turn.answer for turn in turns] == ["answer run_a", "answer run_b"]


async def test_of_a_long_history_the_newest_turns_are_given(log: RunLog, bytes_client: sync_redis.Redis) -> None:
    for place in range(MAX_HISTORY + 5):
        run_id = f"run_{place}"
        create(bytes_client, run_id, message=f"question {place}")
        bytes_client.zadd(keys.thread_runs(THREAD), {run_id: place})

    turns = await log.history(await claimed(log, f"run_{MAX_HISTORY + 4}"))

    assert [turn.message for turn in turns] == [f"question {place}" for place in range(4, MAX_HISTORY + 4)]


async def test_events_of_a_newer_version_are_passed_over(
    log: RunLog, client: Redis, bytes_client: sync_redis.Redis
) -> None:
    create(bytes_client)
    record = await claimed(log)
    await log.writer(record).append(started(record))
    await client.xadd(keys.log(RUN), {"e": b'{"type":"from_the_future","seq":2}'}, id="2-0")

    assert [event.seq for event in await log.events(RUN)] == [1]


async def test_the_log_of_a_live_run_does_not_age(log: RunLog, bytes_client: sync_redis.Redis) -> None:
    create(bytes_client)
    record = await claimed(log)
    await log.writer(record).append(started(record))

    assert len(story(bytes_client)) == 1
    assert [bytes_client.pttl(key) for key in (keys.log(RUN), keys.run(RUN))] == [-1, -1]
