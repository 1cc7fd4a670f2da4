"""Runs that have lost their worker, or that the server has lost a part of: by the scripts, on a real server."""

from __future__ import annotations

from typing import Any

import pytest
import redis

from tests.support.rollback import Snapshot, forget
from tests.support.runs import RUN, THREAD, USER, change, create, listening, read, server_ms, story
from tests.support.story import assert_whole_story, types
from tests.support.web import RETENTION_MS, StoryWriter, waiting_writer
from web.stores.client import run_script
from worker.contract import keys, scripts
from worker.contract.codec import encode_draft
from worker.contract.cursor import new_tag
from worker.contract.events import (
    AgentFailed,
    AgentFailedData,
    AgentStarted,
    AgentStartedData,
    AgentThinking,
    AgentThinkingData,
    Failure,
)
from worker.contract.run import RunState
from worker.contract.scripts import Entries, TaggedDraft

#: What a worker knows of a run whose record is gone.
FIELDS = {
    "thread_id": THREAD,
    "user_id": USER,
    "agent": "triage",
    "message": "hi",
    "created_at": "5",
    "queued_at": "5",
    "started_at": "6",
}


@pytest.fixture
def client(bytes_client: redis.Redis) -> redis.Redis:
    return bytes_client


@pytest.fixture
def writer(client: redis.Redis) -> StoryWriter:
    """A worker that has claimed a new run."""
    create(client)
    made = StoryWriter(client, RUN)
    assert made.claim() == "ok"
    return made


def requeue(client: redis.Redis, *, attempt: int = 1, backoff_ms: int = 0) -> bytes:
    call = scripts.requeue(RUN, attempt=attempt, backoff_ms=backoff_ms, reason="It was lost.")
    answer: bytes = run_script(client, call)
    return answer


def drafts(writer: StoryWriter, *kinds: str) -> list[TaggedDraft]:
    """Events as somebody other than the worker writes them."""
    made: dict[str, Any] = {
        "start": AgentStarted(**writer.envelope(), data=AgentStartedData(input="hi", model=None, tools=[])),
        "wait": AgentThinking(**writer.envelope(), data=AgentThinkingData(text="I wait.", delta=False, step=0)),
        "end": AgentFailed(
            **writer.envelope(terminal=True), data=AgentFailedData(error=Failure(code="worker_lost", message="Lost."))
        ),
    }
    return [(new_tag(), encode_draft(made[kind])) for kind in kinds]


def tell(client: redis.Redis, story: list[TaggedDraft], **changed: Any) -> bytes:
    given: dict[str, Any] = {"last_seq": 0, "retention_ms": RETENTION_MS, **changed}
    answer: bytes = run_script(client, scripts.tell(RUN, story, **given))
    return answer


def bury(client: redis.Redis, story: list[TaggedDraft]) -> bytes:
    call = scripts.bury(RUN, story, retention_ms=RETENTION_MS, end_state=RunState.FAILED, fields=FIELDS)
    answer: bytes = run_script(client, call)
    return answer


def test_a_claim_that_the_server_has_lost_is_given_back(client: redis.Redis) -> None:
    create(client)
    before = Snapshot(client, RUN)
    writer = StoryWriter(client, RUN)
    writer.claim()
    writer.start()
    before.put_back()

    assert writer.restore() == ["ok", 0]

    record = read(client)
    assert (record.state, record.attempt, record.token) == (RunState.RUNNING, 1, writer.token)
    assert record.owner == "w1"
    assert record.lease_until > server_ms(client)
    assert record.progress_until > record.lease_until
    assert record.started_at > 0
    assert writer.append(None, number=1)[0] == "ok"


def test_the_claim_of_a_later_attempt_is_given_back_over_what_the_earlier_one_has_written(client: redis.Redis) -> None:
    create(client)
    first = StoryWriter(client, RUN)
    first.claim()
    first.start()
    first.release(RunState.QUEUED)
    before = Snapshot(client, RUN)
    second = StoryWriter(client, RUN, worker_id="w2")
    second.claim()
    second.think()
    before.put_back()

    assert second.restore() == ["ok", 0]
    assert (read(client).attempt, read(client).last_seq) == (2, 1)
    assert first.think() == ["stale"]


def test_an_attempt_whose_claim_is_there_learns_which_of_its_writes_is_the_last(
    client: redis.Redis, writer: StoryWriter
) -> None:
    writer.start()
    before = Snapshot(client, RUN)
    writer.think("a")
    writer.think("b")
    before.put_back()

    assert writer.restore() == ["ok", 1]
    assert [event.seq for event in story(client)] == [1]


def test_a_record_that_the_server_has_lost_is_made_anew_by_the_attempt_that_began_the_run(
    client: redis.Redis, writer: StoryWriter
) -> None:
    writer.start()
    forget(client, RUN)

    assert writer.restore(**FIELDS) == ["ok", 0]

    record = read(client)
    assert (record.state, record.attempt, record.last_seq) == (RunState.RUNNING, 1, 0)
    assert (record.user_id, record.thread_id, record.message) == (USER, THREAD, "hi")
    assert (record.created_at, record.started_at) == (5, 6)


def test_what_is_left_beside_a_lost_record_makes_way_for_what_is_written_again(
    client: redis.Redis, writer: StoryWriter
) -> None:
    writer.start()
    writer.append(None, entries=Entries(journal={"x": b"y"}))
    client.delete(keys.run(RUN))

    assert writer.restore(**FIELDS) == ["ok", 0]
    writer.number = 0
    assert writer.start()[:2] == ["ok", 1]
    assert not client.exists(keys.journal(RUN))


@pytest.mark.parametrize("lost", ["some of the log", "the record"])
def test_an_attempt_cannot_be_restored_without_what_the_earlier_ones_have_written(
    client: redis.Redis, lost: str
) -> None:
    create(client)
    first = StoryWriter(client, RUN)
    first.claim()
    before = Snapshot(client, RUN)
    first.start()
    first.release(RunState.QUEUED)
    second = StoryWriter(client, RUN, worker_id="w2")
    second.claim()
    if lost == "the record":
        forget(client, RUN)
    else:
        before.put_back()

    assert second.restore(**FIELDS) == ["lost"]
    assert bool(client.exists(keys.run(RUN))) == (lost != "the record")


def test_a_run_that_has_ended_meanwhile_is_not_restored(client: redis.Redis) -> None:
    create(client)
    before = Snapshot(client, RUN)
    writer = StoryWriter(client, RUN)
    writer.claim()
    before.put_back()
    assert tell(client, drafts(writer, "start", "end"), end_state=RunState.FAILED) == b"ok"

    assert writer.restore() == ["finished"]
    assert writer.renew() == ["behind"]
    assert read(client).state == RunState.FAILED


@pytest.mark.parametrize("state", [RunState.QUEUED, RunState.WAITING])
def test_an_attempt_that_was_given_back_is_not_restored(client: redis.Redis, writer: StoryWriter, state: Any) -> None:
    writer.release(state)

    assert writer.restore()[0] == "stale"
    assert read(client).state == state


def test_a_run_whose_lease_has_lapsed_goes_back_into_the_queue_as_a_loss(
    client: redis.Redis, writer: StoryWriter
) -> None:
    change(client, lease_until=server_ms(client), noticed=1, rung_at=5)

    assert requeue(client, backoff_ms=2_000) == b"ok"

    record = read(client)
    assert (record.state, record.losses, record.owner, record.lease_until) == (RunState.QUEUED, 1, "", 0)
    assert (record.resume_reason, record.rung_at, record.noticed) == ("It was lost.", 0, False)
    assert record.ready_at == record.queued_at + 2_000
    assert writer.start() == ["finished"]
    assert writer.claim() == "later"


def test_only_a_lapsed_run_and_only_in_the_attempt_that_was_seen_goes_back_into_the_queue(
    client: redis.Redis, writer: StoryWriter
) -> None:
    assert requeue(client) == b"no"
    change(client, lease_until=1)
    assert requeue(client, attempt=2) == b"no"
    writer.renew()
    assert requeue(client) == b"no"
    change(client, lease_until=1, state="waiting")
    assert requeue(client) == b"no"
    assert read(client).losses == 0
    client.delete(keys.run(RUN))
    assert requeue(client) == b"no"
    assert not client.exists(keys.run(RUN))


def test_a_loss_is_counted_once_however_often_it_is_found(client: redis.Redis, writer: StoryWriter) -> None:
    change(client, lease_until=1)

    assert [requeue(client), requeue(client)] == [b"ok", b"no"]
    assert read(client).losses == 1


def test_an_attempt_that_is_handed_over_is_no_loss_and_can_be_taken_at_once(
    client: redis.Redis, writer: StoryWriter
) -> None:
    change(client, queued_at=5)

    assert writer.release(RunState.QUEUED, "The server was restarted.") == "queued"

    record = read(client)
    assert (record.state, record.losses, record.owner) == (RunState.QUEUED, 0, "")
    assert record.resume_reason == "The server was restarted."
    assert record.queued_at > 5
    assert StoryWriter(client, RUN, worker_id="w2").claim() == "ok"


def test_an_attempt_that_waits_for_a_person_holds_no_worker(client: redis.Redis, writer: StoryWriter) -> None:
    change(client, resume_reason="of the attempt before")

    assert writer.release(RunState.WAITING) == "waiting"

    record = read(client)
    assert (record.state, record.owner, record.lease_until, record.resume_reason) == (RunState.WAITING, "", 0, "")
    assert writer.release(RunState.WAITING) == "lost"


def test_events_are_told_of_a_queued_run_that_nobody_works_on(client: redis.Redis) -> None:
    create(client)
    hand = StoryWriter(client, RUN)

    with listening(client, keys.events_channel(RUN)) as hear:
        assert tell(client, drafts(hand, "start", "wait")) == b"ok"
        assert b'"seq":1' in hear()
        assert b'"seq":2' in hear()

    assert types(story(client)) == ["agent_started", "agent_thinking"]
    record = read(client)
    assert (record.state, record.noticed, record.last_seq) == (RunState.QUEUED, True, 2)
    assert client.pttl(keys.log(RUN)) == -1
    assert hand.claim() == "ok"
    assert hand.base_seq == 2


def test_what_was_made_for_an_older_log_is_not_told(client: redis.Redis) -> None:
    create(client)
    hand = StoryWriter(client, RUN)
    tell(client, drafts(hand, "start", "wait"))

    assert tell(client, drafts(hand, "start", "wait")) == b"moved"
    assert tell(client, drafts(hand, "end"), last_seq=1, end_state=RunState.FAILED) == b"moved"
    assert len(story(client)) == 2


def test_a_wait_is_not_told_of_a_run_that_was_taken_meanwhile(client: redis.Redis, writer: StoryWriter) -> None:
    assert tell(client, drafts(writer, "wait")) == b"held"
    change(client, lease_until=1)
    assert tell(client, drafts(writer, "wait")) == b"moved"
    assert story(client) == []


def test_a_run_is_ended_over_the_head_of_its_worker_only_when_told_so(client: redis.Redis, writer: StoryWriter) -> None:
    writer.start()
    end = drafts(writer, "end")

    assert tell(client, end, last_seq=1, end_state=RunState.FAILED) == b"held"
    assert tell(client, end, last_seq=1, end_state=RunState.FAILED, is_idle=False) == b"ok"

    assert_whole_story(story(client))
    assert read(client).state == RunState.FAILED
    assert 0 < client.pttl(keys.log(RUN)) <= RETENTION_MS
    assert writer.think() == ["finished"]
    assert writer.renew() == ["lost"]


@pytest.mark.parametrize("state", ["queued", "lapsed", "waiting"])
def test_a_run_that_no_worker_has_is_ended(client: redis.Redis, state: str) -> None:
    create(client)
    writer = waiting_writer(client, RUN)
    if state != "waiting":
        change(client, state="running" if state == "lapsed" else state, lease_until=1)
    client.hset(keys.journal(RUN), "x", "y")

    assert tell(client, drafts(writer, "end"), last_seq=3, end_state=RunState.FAILED) == b"ok"

    assert read(client).state == RunState.FAILED
    assert not client.exists(keys.journal(RUN))
    assert client.pttl(keys.approvals(RUN)) > 0


def test_a_run_is_ended_once(client: redis.Redis) -> None:
    create(client)
    hand = StoryWriter(client, RUN)
    whole = drafts(hand, "start", "end")

    assert tell(client, whole, end_state=RunState.FAILED) == b"ok"
    assert tell(client, whole, end_state=RunState.CANCELLED) == b"failed"
    assert tell(client, whole, last_seq=2, end_state=RunState.CANCELLED, is_idle=False) == b"failed"
    assert_whole_story(story(client))


def test_nothing_is_told_of_a_run_that_is_not_there(client: redis.Redis) -> None:
    hand = StoryWriter(client, RUN)

    assert tell(client, drafts(hand, "start", "end"), end_state=RunState.FAILED) == b"missing"
    assert not client.exists(keys.run(RUN), keys.log(RUN))


def test_a_run_that_is_gone_is_given_a_story_that_ends(client: redis.Redis, writer: StoryWriter) -> None:
    writer.start()
    forget(client, RUN)

    assert bury(client, drafts(writer, "start", "end")) == b"ok"

    assert_whole_story(story(client))
    record = read(client)
    assert (record.state, record.user_id, record.last_seq) == (RunState.FAILED, USER, 2)
    assert record.ended_at > 0
    assert all(0 < client.pttl(key) <= RETENTION_MS for key in (keys.run(RUN), keys.log(RUN)))
    assert writer.think() == ["behind", 0]
    assert writer.restore(**FIELDS) == ["finished"]


def test_a_log_that_has_outlived_its_record_is_buried_with_it(client: redis.Redis, writer: StoryWriter) -> None:
    writer.start()
    writer.think()
    client.delete(keys.run(RUN))

    assert bury(client, drafts(writer, "start", "end")) == b"ok"
    assert_whole_story(story(client))


def test_a_run_that_is_there_is_not_buried(client: redis.Redis, writer: StoryWriter) -> None:
    writer.start()

    assert bury(client, drafts(writer, "start", "end")) == b"exists"
    assert len(story(client)) == 1
