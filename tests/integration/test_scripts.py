"""The atomic steps on a run, on a real server."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis

from tests.support.story import assert_whole_story
from tests.support.waiting import wait_until
from tests.support.web import RETENTION_MS, StoryWriter
from web.cancellation import unbegun_story
from web.catalogue import EMPTY
from web.store import connect, run_script
from worker.contract import codec, keys, scripts
from worker.contract.events import AgentThinking, AgentThinkingData, Event
from worker.contract.run import RunRecord, RunState, decode_run
from worker.contract.scripts import ToolResult

RUN = "run_1"


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    """Bytes in and out, as the product has it."""
    made = connect(redis_url)
    yield made
    made.close()
    made.connection_pool.disconnect()


@pytest.fixture
def writer(client: redis.Redis) -> StoryWriter:
    """A worker that has claimed a new run."""
    create(client)
    made = StoryWriter(client, RUN)
    assert made.claim() == "ok"
    return made


def create(client: redis.Redis, run_id: str = RUN, *, message: str = "hi") -> bytes:
    call = scripts.create(run_id=run_id, thread_id="thr_1", user_id="usr_1", agent="triage", message=message)
    answer: bytes = run_script(client, call)
    return answer


def read(client: redis.Redis, run_id: str = RUN) -> RunRecord:
    fields: Any = client.hgetall(keys.run(run_id))
    return decode_run(run_id, fields)


def story(client: redis.Redis, run_id: str = RUN) -> list[Event]:
    entries: Any = client.xrange(keys.log(run_id))
    assert [entry_id.decode() for entry_id, _ in entries] == [f"{n}-0" for n in range(1, len(entries) + 1)]
    return [codec.decode(fields[b"e"]) for _, fields in entries]


def thought(writer: StoryWriter, text: str) -> AgentThinking:
    return AgentThinking(**writer.envelope(), data=AgentThinkingData(text=text, delta=False, step=1))


def cancel(client: redis.Redis, run_id: str = RUN) -> str:
    record = read(client, run_id)
    started, cancelled = unbegun_story(record, EMPTY)
    call = scripts.cancel(run_id, by="user", retention_ms=RETENTION_MS, started=started, cancelled=cancelled)
    answer: bytes = run_script(client, call)
    return answer.decode()


@contextlib.contextmanager
def listening(client: redis.Redis, channel: str) -> Iterator[Callable[[], bytes]]:
    """Follow a channel; gives a function that waits for its next message."""
    untyped: Any = client
    with untyped.pubsub(ignore_subscribe_messages=True) as listener:
        listener.subscribe(channel)
        wait_until(lambda: untyped.pubsub_numsub(channel)[0][1] == 1)
        yield lambda: wait_until(listener.get_message)["data"]


def test_a_run_is_stored_once(client: redis.Redis) -> None:
    assert create(client, message="first") == b"created"
    assert create(client, message="second") == b"exists"

    record = read(client)
    assert (record.message, record.state, record.attempt, record.last_seq) == ("first", RunState.QUEUED, 0, 0)
    assert abs(record.created_at - int(client.time()[0]) * 1000) < 5_000


def test_numbers_are_dense_and_the_log_ids_are_the_numbers(client: redis.Redis, writer: StoryWriter) -> None:
    writer.start()
    for text in "abc":
        writer.append(thought(writer, text))
    writer.complete()

    events = story(client)
    assert_whole_story(events)
    assert len({event.cursor for event in events}) == 5
    record = read(client)
    assert (record.last_seq, record.last_cursor) == (5, events[-1].cursor)


def test_a_repeat_of_the_same_producer_number_gets_the_first_answer_and_writes_nothing(
    client: redis.Redis, writer: StoryWriter
) -> None:
    first = writer.start()

    assert writer.append(thought(writer, "other text"), number=1) == first
    assert len(story(client)) == 1


def test_a_repeat_of_the_last_event_gets_its_answer_though_the_run_is_finished(
    client: redis.Redis, writer: StoryWriter
) -> None:
    writer.start()
    first = writer.complete()

    assert writer.append(thought(writer, "x"), number=2) == first
    assert len(story(client)) == 2


def test_a_number_that_skips_one_is_a_fault_of_the_writer(client: redis.Redis, writer: StoryWriter) -> None:
    writer.start()

    with pytest.raises(redis.ResponseError, match="producer number 5 after 1"):
        writer.append(thought(writer, "x"), number=5)
    assert len(story(client)) == 1


def test_an_older_attempt_is_fenced_off(client: redis.Redis, writer: StoryWriter) -> None:
    writer.start()
    client.hset(keys.run(RUN), "lease_until", 0)
    successor = StoryWriter(client, RUN, worker_id="w2")
    assert successor.claim() == "ok"

    assert writer.append(thought(writer, "too late")) == ["stale"]
    assert successor.append(thought(successor, "on we go"))[0] == "ok"
    assert [event.seq for event in story(client)] == [1, 2]


def test_nothing_follows_the_last_event(client: redis.Redis, writer: StoryWriter) -> None:
    writer.start()
    writer.complete()

    assert writer.append(thought(writer, "one more thing")) == ["finished"]
    assert_whole_story(story(client))


def test_an_event_of_a_run_that_is_not_there_is_refused(client: redis.Redis) -> None:
    ghost = StoryWriter(client, "run_ghost")

    assert ghost.claim() == "missing"
    assert ghost.start() == ["missing"]
    assert not client.exists(keys.log("run_ghost"))


def test_a_run_that_a_live_worker_holds_is_busy(client: redis.Redis, writer: StoryWriter) -> None:
    assert StoryWriter(client, RUN, worker_id="w2").claim() == "busy"


def test_a_finished_run_cannot_be_claimed(client: redis.Redis, writer: StoryWriter) -> None:
    writer.start()
    writer.complete()

    assert StoryWriter(client, RUN, worker_id="w2").claim() == "finished"


def test_a_claim_by_many_at_once_gives_one_attempt(client: redis.Redis) -> None:
    create(client)
    answers: list[str] = []
    claimers = [
        threading.Thread(target=lambda n=n: answers.append(StoryWriter(client, RUN, worker_id=f"w{n}").claim()))
        for n in range(12)
    ]

    for claimer in claimers:
        claimer.start()
    for claimer in claimers:
        claimer.join()

    assert sorted(answers) == ["busy"] * 11 + ["ok"]
    assert read(client).attempt == 1


def test_a_claim_begins_the_run(client: redis.Redis, writer: StoryWriter) -> None:
    record = read(client)

    assert (record.state, record.owner, record.attempt) == (RunState.RUNNING, "w1", 1)
    assert record.started_at >= record.created_at
    assert record.lease_until > record.started_at


def test_a_lease_is_renewed_for_its_holder_only(client: redis.Redis, writer: StoryWriter) -> None:
    client.hset(keys.run(RUN), "lease_until", 1)

    assert run_script(client, scripts.renew(RUN, attempt=1, lease_ms=5_000)) == [b"ok", b""]
    assert read(client).lease_until > 1
    assert run_script(client, scripts.renew(RUN, attempt=2, lease_ms=5_000)) == [b"lost"]


def test_each_event_is_published_as_it_is_stored(client: redis.Redis, writer: StoryWriter) -> None:
    with listening(client, keys.events_channel(RUN)) as hear:
        writer.start()
        writer.complete()

        heard = [hear(), hear()]
    stored: Any = client.xrange(keys.log(RUN))
    assert heard == [fields[b"e"] for _, fields in stored]


def test_a_queued_run_that_is_cancelled_has_a_story_of_two_events(client: redis.Redis) -> None:
    create(client)

    assert cancel(client) == "cancelled"

    events = story(client)
    assert_whole_story(events)
    assert [str(event.__struct_config__.tag) for event in events] == ["agent_started", "agent_cancelled"]
    record = read(client)
    assert (record.state, record.cancel_by, record.last_seq) == (RunState.CANCELLED, "user", 2)
    assert StoryWriter(client, RUN).claim() == "finished"


def test_a_second_cancel_changes_nothing(client: redis.Redis) -> None:
    create(client)
    cancel(client)

    assert cancel(client) == "cancelled"
    assert len(story(client)) == 2


def test_the_worker_of_a_running_run_is_told_of_the_cancel(client: redis.Redis, writer: StoryWriter) -> None:
    with listening(client, keys.control_channel("w1")) as hear:
        assert cancel(client) == "running"

        assert hear() == b"cancel run_1"
    assert run_script(client, scripts.renew(RUN, attempt=1, lease_ms=5_000)) == [b"ok", b"user"]
    assert story(client) == []


def test_a_finished_run_is_not_cancelled(client: redis.Redis, writer: StoryWriter) -> None:
    writer.start()
    writer.complete()

    assert cancel(client) == "completed"
    assert read(client).cancel_by == ""


def test_nothing_of_a_run_expires_before_it_has_ended(client: redis.Redis, writer: StoryWriter) -> None:
    writer.start()

    assert client.pttl(keys.run(RUN)) == -1
    assert client.pttl(keys.log(RUN)) == -1


def test_everything_of_a_run_expires_after_its_end(client: redis.Redis, writer: StoryWriter) -> None:
    writer.start()
    writer.append(thought(writer, "x"), result=ToolResult("a1.t1", b"[1]"), retention_ms=300)
    assert client.get(keys.tool_result(RUN, "a1.t1")) == b"[1]"
    data = thought(writer, "y")
    writer.append(data, ending=scripts.Ending(RunState.FAILED), retention_ms=300)

    names = [keys.run(RUN), keys.log(RUN), keys.tool_result(RUN, "a1.t1")]
    assert all(0 < client.pttl(name) <= 300 for name in names)
    wait_until(lambda: not client.exists(*names), what="all keys of the run are gone")


def test_the_end_keeps_answer_and_usage_in_the_record(client: redis.Redis, writer: StoryWriter) -> None:
    writer.start()
    writer.complete("forty-two")

    record = read(client)
    assert (record.state, record.answer) == (RunState.COMPLETED, "forty-two")
    assert '"output_tokens":5' in record.usage
    assert record.ended_at >= record.started_at
    assert record.lease_until == 0


def test_a_server_that_has_forgotten_the_scripts_is_given_them_again(client: redis.Redis) -> None:
    create(client, "run_a")
    client.script_flush()

    assert create(client, "run_b") == b"created"
