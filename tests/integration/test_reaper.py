"""The reaper's sweep on a real server, driven as a worker and as a web process does it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import redis

from tests.support.runs import (
    RUN,
    THREAD,
    USER,
    accept,
    change,
    create,
    listed,
    queue_of,
    read,
    server_ms,
    story,
)
from tests.support.story import assert_whole_story, tool_calls, types
from tests.support.sweeping import RETENTION_MS, Hand, hand_of, sweep_settings
from tests.support.tracing import Recorder
from tests.support.waiting import wait_until_async
from tests.support.web import CATALOGUE, StoryWriter, waiting_writer
from web.stores.client import run_script
from worker.contract import codec, keys, scripts
from worker.contract.approvals import read_approvals
from worker.contract.closing import stopped
from worker.contract.events import (
    AgentCancelled,
    AgentFailed,
    AgentStarted,
    AgentStartedData,
    AgentThinking,
    ApprovalResolved,
)
from worker.contract.run import RunState
from worker.reaping.asks import Work
from worker.reaping.ending import conclude, tell_of_wait
from worker.reaping.sweep import sweep


@pytest.fixture
def client(bytes_client: redis.Redis) -> redis.Redis:
    return bytes_client


@pytest.fixture(params=["worker", "web"])
async def hand(request: pytest.FixtureRequest, redis_url: str) -> AsyncIterator[Hand]:
    async with hand_of(request.param, redis_url) as made:
        yield made


def waited(client: redis.Redis, run_id: str = RUN, *, ms: int) -> None:
    """Let a queued run have waited for so long."""
    change(client, run_id, queued_at=server_ms(client) - ms)


def begun(client: redis.Redis, run_id: str = RUN, *, thread_id: str = THREAD) -> StoryWriter:
    """A run that a worker has, and has told the begin of."""
    accept(client, run_id, thread_id=thread_id)
    writer = StoryWriter(client, run_id)
    assert writer.claim() == "ok"
    writer.start()
    return writer


def lapse(client: redis.Redis, run_id: str = RUN) -> None:
    """Let the worker have died long ago."""
    change(client, run_id, lease_until=1)


def failure_code(client: redis.Redis, run_id: str = RUN) -> str:
    """Why a run has failed, whose story must be whole."""
    events = story(client, run_id)
    assert_whole_story(events)
    last = events[-1]
    assert isinstance(last, AgentFailed)
    return last.data.error.code


async def test_a_run_whose_message_was_lost_is_rung_for(hand: Hand, client: redis.Redis) -> None:
    accept(client)
    waited(client, ms=20_000)

    assert await hand.do(sweep(sweep_settings()))

    assert hand.rung == [RUN]
    assert abs(read(client).rung_at - server_ms(client)) < 5_000
    await hand.do(sweep(sweep_settings()))
    assert hand.rung == [RUN]


async def test_a_run_that_has_just_been_accepted_is_left_alone(hand: Hand, client: redis.Redis) -> None:
    accept(client)

    await hand.do(sweep(sweep_settings()))

    assert hand.rung == []
    assert story(client) == []
    assert read(client).rung_at == 0


async def test_of_a_long_queue_each_run_is_rung_for_by_and_by(
    hand: Hand, client: redis.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    """Most likely all workers are busy; messages for all at once would only be in their way."""
    runs = [f"run_{number:03}" for number in range(120)]
    for run_id in runs:
        accept(client, run_id, thread_id=f"thr_{run_id}")
        waited(client, run_id, ms=20_000)
        change(client, run_id, noticed=1)

    await hand.do(sweep(sweep_settings()))

    assert hand.rung == runs[:50]
    assert len([record for record in caplog.records if record.message == "reaped"]) == 50
    await hand.do(sweep(sweep_settings()))
    await hand.do(sweep(sweep_settings()))
    assert hand.rung == runs


async def test_a_run_whose_worker_has_died_goes_to_another_one_at_once(hand: Hand, client: redis.Redis) -> None:
    writer = begun(client)
    lapse(client)

    await hand.do(sweep(sweep_settings()))

    record = read(client)
    assert (record.state, record.losses) == (RunState.QUEUED, 1)
    assert record.resume_reason == "The process that worked on this stopped unexpectedly; another one goes on."
    assert hand.rung == [RUN]
    assert writer.think() == ["finished"]
    successor = StoryWriter(client, RUN, worker_id="w2")
    assert successor.claim() == "ok"
    assert writer.think() == ["stale"]
    assert (listed(client), queue_of(client)) == ([RUN], [RUN])


async def test_after_a_second_loss_a_run_is_rung_for_when_its_back_off_is_over(hand: Hand, client: redis.Redis) -> None:
    begun(client)
    lapse(client)
    change(client, losses=1)

    await hand.do(sweep(sweep_settings()))

    record = read(client)
    assert (record.state, record.losses, record.ready_at - record.queued_at) == (RunState.QUEUED, 2, 2_000)
    assert hand.rung == []

    async def is_rung_for() -> bool:
        await hand.do(sweep(sweep_settings()))
        return bool(hand.rung)

    await wait_until_async(is_rung_for)
    assert server_ms(client) >= record.ready_at
    assert hand.rung == [RUN]


async def test_the_third_loss_ends_a_run_with_everything_closed(hand: Hand, client: redis.Redis) -> None:
    writer = begun(client)
    writer.begin_tool("a1.t1")
    inner = writer.envelope(agent_call_id="a1.1", parent_call_id="a1", agent_name="data")
    writer.append(AgentStarted(**inner, data=AgentStartedData(input="task", model=None, tools=[])))
    writer.begin_tool("a1.t2")
    lapse(client)
    change(client, losses=2)

    await hand.do(sweep(sweep_settings()))

    assert failure_code(client) == "worker_lost"
    events = story(client)
    assert types(events[-4:]) == ["tool_completed", "agent_failed", "tool_completed", "agent_failed"]
    assert [call.data.status for call in tool_calls(events)] == ["interrupted", "interrupted"]
    assert (events[-3].agent_name, events[-3].parent_call_id) == ("data", "a1")
    assert read(client).state == RunState.FAILED
    assert (listed(client), queue_of(client), hand.rung) == ([], [], [])
    assert client.zscore(keys.user_live(USER), RUN) is None
    assert client.zrange(keys.RUNS_UNSEEN, 0, -1) == [RUN.encode()]
    assert 0 < client.pttl(keys.log(RUN)) <= RETENTION_MS


async def test_a_run_that_nobody_takes_says_so_and_then_ends(hand: Hand, client: redis.Redis) -> None:
    client.set(keys.CATALOGUE, codec.encode(CATALOGUE))
    accept(client, message="Which region?")
    waited(client, ms=6_000)

    await hand.do(sweep(sweep_settings()))
    await hand.do(sweep(sweep_settings()))

    assert types(story(client)) == ["agent_started", "agent_thinking"]
    started, notice = story(client)
    assert isinstance(started, AgentStarted)
    assert (started.data.input, started.data.model, started.data.tools) == ("Which region?", "offline", ["list_tables"])
    assert isinstance(notice, AgentThinking)
    assert (notice.data.text, notice.data.delta, notice.attempt) == ("Waiting for a worker.", False, 0)
    assert read(client).state == RunState.QUEUED

    waited(client, ms=700_000)
    await hand.do(sweep(sweep_settings()))

    assert failure_code(client) == "no_worker"
    assert types(story(client)) == ["agent_started", "agent_thinking", "agent_failed"]
    assert listed(client) == []


async def test_a_run_that_nobody_could_be_told_of_before_has_a_whole_story_all_the_same(
    hand: Hand, client: redis.Redis
) -> None:
    accept(client)
    waited(client, ms=700_000)

    await hand.do(sweep(sweep_settings()))

    assert failure_code(client) == "no_worker"
    assert types(story(client)) == ["agent_started", "agent_failed"]


async def test_a_wait_is_not_told_of_a_run_that_was_taken_since_it_was_looked_at(
    hand: Hand, client: redis.Redis
) -> None:
    accept(client)
    waiting = read(client)
    assert await hand.do(tell_of_wait(waiting, retention_ms=RETENTION_MS))
    begun(client, "run_b", thread_id="thr_b")

    assert not await hand.do(tell_of_wait(read(client, "run_b"), retention_ms=RETENTION_MS))


async def test_a_run_that_was_told_of_waiting_is_begun_once(hand: Hand, client: redis.Redis) -> None:
    accept(client)
    waited(client, ms=6_000)
    await hand.do(sweep(sweep_settings()))
    worker = StoryWriter(client, RUN)
    worker.claim()
    worker.complete()

    assert_whole_story(story(client))
    assert types(story(client)) == ["agent_started", "agent_thinking", "agent_completed"]


async def test_a_run_that_makes_no_progress_is_ended_over_the_head_of_its_worker(
    hand: Hand, client: redis.Redis
) -> None:
    writer = begun(client)
    writer.begin_tool()
    change(client, progress_until=1)

    await hand.do(sweep(sweep_settings()))

    assert failure_code(client) == "stalled"
    assert [call.data.status for call in tool_calls(story(client))] == ["interrupted"]
    assert writer.renew() == ["lost"]
    assert writer.think() == ["finished"]
    assert listed(client) == []


@pytest.mark.parametrize("worker_lives", [False, True])
async def test_a_run_that_its_worker_does_not_stop_is_stopped(
    hand: Hand, client: redis.Redis, worker_lives: bool
) -> None:
    writer = begun(client)
    writer.begin_tool()
    run_script(client, scripts.cancel(RUN, by="user"))
    if worker_lives:
        await hand.do(sweep(sweep_settings()))
        assert read(client).state == RunState.RUNNING
        change(client, cancel_at=server_ms(client) - 16_000)
    else:
        lapse(client)

    await hand.do(sweep(sweep_settings()))

    events = story(client)
    assert_whole_story(events)
    last = events[-1]
    assert isinstance(last, AgentCancelled)
    assert last.data.by == "user"
    assert [call.data.status for call in tool_calls(events)] == ["cancelled"]
    assert read(client).state == RunState.CANCELLED
    assert writer.think() == ["finished"]
    assert StoryWriter(client, RUN).claim() == "finished"


@pytest.mark.parametrize("state", ["queued", "waiting"])
async def test_a_stop_that_came_while_a_worker_gave_the_run_back_is_not_forgotten(
    hand: Hand, client: redis.Redis, state: str
) -> None:
    writer = begun(client)
    writer.begin_tool()
    writer.ask()
    run_script(client, scripts.cancel(RUN, by="user"))
    writer.release(RunState.QUEUED if state == "queued" else RunState.WAITING)

    await hand.do(sweep(sweep_settings()))

    assert_whole_story(story(client))
    assert read(client).state == RunState.CANCELLED
    assert hand.rung == []


async def test_an_approval_that_nobody_decided_in_time_counts_as_no(hand: Hand, client: redis.Redis) -> None:
    accept(client)
    waiting_writer(client, RUN, expires_at=server_ms(client))

    await hand.do(sweep(sweep_settings()))

    fields: Any = client.hgetall(keys.approvals(RUN))
    verdict = read_approvals(fields)["a1.t1"].verdict
    assert verdict is not None
    assert (verdict.decision, verdict.by) == ("expired", "")
    told = story(client)[-1]
    assert isinstance(told, ApprovalResolved)
    assert (told.data.decision, told.data.by, told.data.edited) == ("expired", "", False)
    assert read(client).state == RunState.QUEUED
    assert hand.rung == [RUN]


async def test_an_approval_that_still_has_time_is_left_to_the_person(hand: Hand, client: redis.Redis) -> None:
    accept(client)
    waiting_writer(client, RUN)

    await hand.do(sweep(sweep_settings()))

    assert read(client).state == RunState.WAITING
    assert len(story(client)) == 3


async def test_of_two_approvals_only_the_one_whose_time_is_over_is_decided(hand: Hand, client: redis.Redis) -> None:
    writer = begun(client)
    writer.ask("a1.t1", expires_at=server_ms(client))
    writer.ask("a1.t2")
    writer.release(RunState.WAITING)

    await hand.do(sweep(sweep_settings()))

    fields: Any = client.hgetall(keys.approvals(RUN))
    assert {call: bool(approval.verdict) for call, approval in read_approvals(fields).items()} == {
        "a1.t1": True,
        "a1.t2": False,
    }
    assert read(client).state == RunState.QUEUED


async def test_a_run_whose_worker_died_before_it_could_say_that_it_had_ended_leaves_the_lists(
    hand: Hand, client: redis.Redis
) -> None:
    begun(client, "run_a").complete()
    accept(client, "run_b")

    await hand.do(sweep(sweep_settings()))

    assert (listed(client), queue_of(client)) == (["run_b"], ["run_b"])
    # Twice does no harm.
    assert set(hand.rung) == {"run_b"}
    assert client.zrange(keys.RUNS_UNSEEN, 0, -1) == [b"run_a"]


async def test_the_end_of_a_run_by_the_reaper_lets_the_next_of_its_thread_begin(
    hand: Hand, client: redis.Redis
) -> None:
    begun(client, "run_a")
    lapse(client, "run_a")
    change(client, "run_a", losses=2)
    accept(client, "run_b")

    await hand.do(sweep(sweep_settings()))

    assert failure_code(client, "run_a") == "worker_lost"
    assert hand.rung == ["run_b"]


@pytest.mark.parametrize("head", ["finished", "gone"])
async def test_a_dead_run_at_the_head_of_a_threads_queue_makes_way(hand: Hand, client: redis.Redis, head: str) -> None:
    """Such as one that a client's second try put there after its end."""
    run_script(client, scripts.enqueue(THREAD, "run_a", life_ms=60_000))
    if head == "finished":
        create(client, "run_a")
        change(client, "run_a", state="completed")
    accept(client, "run_b")
    accept(client, "run_c")

    await hand.do(sweep(sweep_settings()))

    assert queue_of(client) == ["run_b", "run_c"]
    assert hand.rung == ["run_b"]


async def test_a_run_behind_another_one_neither_waits_for_a_worker_nor_runs_out_of_time(
    hand: Hand, client: redis.Redis
) -> None:
    begun(client, "run_a")
    accept(client, "run_b")
    waited(client, "run_b", ms=10**6)

    await hand.do(sweep(sweep_settings()))

    assert read(client, "run_b").state == RunState.QUEUED
    assert abs(read(client, "run_b").queued_at - server_ms(client)) < 5_000
    assert story(client, "run_b") == []
    assert hand.rung == []


async def test_after_a_gap_in_the_sweeping_leases_are_left_alone(hand: Hand, client: redis.Redis) -> None:
    writer = begun(client)
    writer.think()
    lapse(client)
    change(client, losses=2)

    await hand.do(sweep(sweep_settings(quiet_ms=60_000)))
    await hand.do(sweep(sweep_settings(quiet_ms=60_000)))
    assert read(client).state == RunState.RUNNING

    # Its worker lives, and renews as soon as it can.
    writer.renew()
    client.hset(keys.REAPER, "quiet_until", 0)
    await hand.do(sweep(sweep_settings(quiet_ms=60_000)))
    assert read(client).state == RunState.RUNNING
    assert writer.think()[0] == "ok"


async def test_after_the_gap_leases_count_again(hand: Hand, client: redis.Redis) -> None:
    begun(client)
    lapse(client)

    async def is_requeued() -> bool:
        await hand.do(sweep(sweep_settings(quiet_ms=300)))
        return read(client).state == RunState.QUEUED

    began_at = server_ms(client)
    await wait_until_async(is_requeued)
    assert server_ms(client) - began_at >= 300


async def test_only_the_process_that_is_elected_sweeps(hand: Hand, client: redis.Redis) -> None:
    assert await hand.do(sweep(sweep_settings("one")))
    begun(client)
    lapse(client)

    assert not await hand.do(sweep(sweep_settings("two")))
    assert read(client).state == RunState.RUNNING
    assert await hand.do(sweep(sweep_settings("one")))
    assert read(client).state == RunState.QUEUED


async def test_a_sweep_over_many_runs_sees_each_and_is_no_gap(hand: Hand, client: redis.Redis) -> None:
    """Runs leave the list while it is read page by page."""
    with client.pipeline() as pipe:
        for number in range(1_300):
            run_id = f"run_{number:04}"
            state = "completed" if number % 3 else "queued"
            fields: Any = {"thread_id": run_id, "user_id": USER, "agent": "triage", "message": "", "state": state}
            pipe.hset(keys.run(run_id), mapping={**fields, "created_at": 1, "queued_at": server_ms(client)})
            pipe.zadd(keys.RUNS_LIVE, {run_id: number})
        pipe.execute()

    await hand.do(sweep(sweep_settings()))

    assert listed(client) == [f"run_{number:04}" for number in range(0, 1_300, 3)]


async def test_a_run_whose_record_is_gone_leaves_the_list_after_a_while(hand: Hand, client: redis.Redis) -> None:
    client.zadd(keys.RUNS_LIVE, {"run_old": server_ms(client) - 20_000, "run_new": server_ms(client)})

    await hand.do(sweep(sweep_settings()))

    assert listed(client) == ["run_new"]


@pytest.mark.parametrize("fault", ["record", "approvals", "catalogue"])
async def test_a_run_that_cannot_be_read_keeps_no_other_from_being_seen_to(
    hand: Hand, client: redis.Redis, fault: str
) -> None:
    accept(client, "run_a", thread_id="thr_a")
    match fault:
        case "record":
            change(client, "run_a", attempt="many")
        case "approvals":
            waiting_writer(client, "run_a")
            client.hset(keys.approvals("run_a"), "a1.t1", "{")
        case _:
            client.set(keys.CATALOGUE, "{")
            waited(client, "run_a", ms=700_000)
    change(client, "run_a", created_at=1)
    client.zadd(keys.RUNS_LIVE, {"run_a": 1})
    begun(client, "run_b", thread_id="thr_b")
    lapse(client, "run_b")

    assert await hand.do(sweep(sweep_settings()))

    assert read(client, "run_b").state == RunState.QUEUED
    assert hand.rung == ["run_b"]


async def test_a_run_that_has_gone_on_since_it_was_judged_is_left_alone(hand: Hand, client: redis.Redis) -> None:
    """A process may be frozen between its look at a run and what it does about it."""
    writer = begun(client)
    seen = read(client)
    writer.append(None, silence_ms=400_000)
    end = stopped("user")

    after = await hand.do(conclude(RUN, end, retention_ms=RETENTION_MS, is_idle=False, seen=seen))

    assert after is not None
    assert after.state == RunState.RUNNING
    assert len(story(client)) == 1
    await hand.do(conclude(RUN, end, retention_ms=RETENTION_MS, is_idle=False, seen=read(client)))
    assert_whole_story(story(client))


async def test_an_attempt_that_ended_after_all_is_not_shown_as_torn(
    hand: Hand, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = Recorder(monkeypatch)
    monkeypatch.setattr("worker.reaping.sweep.is_traced", lambda traceparent: True)
    writer = begun(client)
    lapse(client)
    change(client, losses=2)

    def meanwhile() -> Work[bool]:
        """The worker comes back between the reaper's look and its script."""
        work, answer = sweep(sweep_settings()), None
        while True:
            try:
                ask = work.send(answer)
            except StopIteration as done:
                return bool(done.value)
            if isinstance(ask, scripts.ScriptCall) and ask.script == scripts.load("tell"):
                writer.complete()
            answer = yield ask

    await hand.do(meanwhile())

    assert read(client).state == RunState.COMPLETED
    assert recorder.spans == []


async def test_a_run_that_a_worker_holds_is_not_ended_as_one_that_nobody_has(hand: Hand, client: redis.Redis) -> None:
    begun(client)

    after = await hand.do(conclude(RUN, stopped("user"), retention_ms=RETENTION_MS))

    assert after is not None
    assert after.state == RunState.RUNNING
    assert listed(client) == [RUN]


async def test_nothing_is_made_of_a_run_that_is_not_there(hand: Hand, client: redis.Redis) -> None:
    assert await hand.do(conclude(RUN, stopped("user"), retention_ms=RETENTION_MS)) is None
    assert client.keys() == []
