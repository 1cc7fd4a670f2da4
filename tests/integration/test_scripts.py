"""The life of a run by its scripts, on a real server: taken once, written by its holder only, ended once."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import redis

from tests.support.runs import RUN, change, create, listening, read, server_ms, story
from tests.support.story import assert_whole_story
from tests.support.waiting import wait_until
from tests.support.web import LEASE_MS, SILENCE_MS, StoryWriter, waiting_writer
from web.stores.client import run_script
from worker.contract import keys, scripts
from worker.contract.events import AgentThinking, AgentThinkingData
from worker.contract.run import RunState
from worker.contract.scripts import Entries, ToolResult


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


def thought(writer: StoryWriter, text: str) -> AgentThinking:
    return AgentThinking(**writer.envelope(), data=AgentThinkingData(text=text, delta=False, step=1))


def cancel(client: redis.Redis) -> str:
    answer: bytes = run_script(client, scripts.cancel(RUN, by="user"))
    return answer.decode()


def test_a_run_is_stored_once(client: redis.Redis) -> None:
    assert create(client, message="first") == b"created"
    assert create(client, message="second") == b"exists"

    record = read(client)
    assert (record.message, record.state, record.attempt, record.last_seq) == ("first", RunState.QUEUED, 0, 0)
    assert abs(record.created_at - server_ms(client)) < 5_000
    assert record.queued_at == record.created_at


def test_numbers_are_dense_and_the_log_ids_are_the_numbers(client: redis.Redis, writer: StoryWriter) -> None:
    writer.start()
    for text in "abc":
        writer.think(text)
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


def test_a_number_that_skips_one_is_answered_with_the_last_that_is_there(
    client: redis.Redis, writer: StoryWriter
) -> None:
    writer.start()

    assert writer.append(thought(writer, "x"), number=5) == ["behind", 1]
    assert len(story(client)) == 1


def test_a_write_of_an_attempt_that_the_server_does_not_know_is_answered_with_none(
    client: redis.Redis, writer: StoryWriter
) -> None:
    """Only the server gives attempts out: it has forgotten this one."""
    change(client, attempt=0, token="", state="queued")

    assert writer.start() == ["behind", 0]
    assert story(client) == []


def test_an_event_is_stored_together_with_what_belongs_to_it(client: redis.Redis, writer: StoryWriter) -> None:
    entries = Entries(journal={"model:a1:1": b"answer", "tool:a1.t1": b"step"}, approvals={"a1.t1": b"request"})

    writer.append(thought(writer, "x"), result=ToolResult("a1.t9", b"[1]"), entries=entries)

    assert len(story(client)) == 1
    assert client.hgetall(keys.journal(RUN)) == {b"model:a1:1": b"answer", b"tool:a1.t1": b"step"}
    assert client.hgetall(keys.approvals(RUN)) == {b"a1.t1": b"request"}
    assert client.get(keys.tool_result(RUN, "a1.t9")) == b"[1]"


def test_a_write_without_an_event_is_numbered_as_any_other_and_leaves_the_log_alone(
    client: redis.Redis, writer: StoryWriter
) -> None:
    cursor = writer.start()[2]
    entries = Entries(journal={"model:a1:1": b"answer"})

    first = writer.append(None, entries=entries)

    assert first == ["ok", 0, cursor]
    assert writer.append(None, entries=Entries(journal={"model:a1:1": b"other"}), number=2)[0] == "ok"
    assert client.hgetall(keys.journal(RUN)) == {b"model:a1:1": b"answer"}
    assert [event.seq for event in story(client)] == [1]
    assert writer.think()[1] == 2


def test_a_refused_write_stores_nothing_beside_it_either(client: redis.Redis, writer: StoryWriter) -> None:
    change(client, attempt=2, token="another")
    entries = Entries(journal={"j": b"1"}, approvals={"a": b"1"})

    assert writer.append(thought(writer, "x"), result=ToolResult("a1.t1", b"1"), entries=entries) == ["stale"]
    assert not client.exists(keys.log(RUN), keys.journal(RUN), keys.approvals(RUN), keys.tool_result(RUN, "a1.t1"))


def test_an_older_attempt_is_fenced_off(client: redis.Redis, writer: StoryWriter) -> None:
    writer.start()
    change(client, lease_until=0)
    assert run_script(client, scripts.requeue(RUN, attempt=1, backoff_ms=0, reason="lost")) == b"ok"
    successor = StoryWriter(client, RUN, worker_id="w2")
    assert successor.claim() == "ok"

    assert writer.think("too late") == ["stale"]
    assert writer.renew() == ["lost"]
    assert successor.think("on we go")[0] == "ok"
    assert [event.seq for event in story(client)] == [1, 2]


def test_an_attempt_that_got_the_same_number_is_fenced_off_by_its_token(
    client: redis.Redis, writer: StoryWriter
) -> None:
    """A server that has lost a claim gives its number out again."""
    change(client, attempt=0, token="", state="queued")
    twin = StoryWriter(client, RUN, worker_id="w2")
    assert twin.claim() == "ok"
    assert twin.attempt == writer.attempt

    assert writer.start() == ["stale"]
    assert writer.renew() == ["lost"]
    assert writer.restore() == ["stale"]
    assert writer.release(RunState.QUEUED) == "lost"
    assert twin.start()[0] == "ok"
    assert len(story(client)) == 1


def test_nothing_follows_the_last_event(client: redis.Redis, writer: StoryWriter) -> None:
    writer.start()
    writer.complete()

    assert writer.think("one more thing") == ["finished"]
    assert_whole_story(story(client))


def test_an_event_of_a_run_that_is_not_there_is_refused(client: redis.Redis) -> None:
    ghost = StoryWriter(client, "run_ghost")

    assert ghost.claim() == "missing"
    assert ghost.start() == ["missing"]
    assert not client.exists(keys.log("run_ghost"), keys.run("run_ghost"))


def test_a_run_that_a_worker_has_is_busy_even_after_its_lease(client: redis.Redis, writer: StoryWriter) -> None:
    """Putting it back is the reaper's, so that losses are counted in one place."""
    assert StoryWriter(client, RUN, worker_id="w2").claim() == "busy"
    change(client, lease_until=1)
    assert StoryWriter(client, RUN, worker_id="w2").claim() == "busy"


def test_a_run_that_waits_for_a_person_is_busy(client: redis.Redis) -> None:
    create(client)
    waiting_writer(client, RUN)

    assert StoryWriter(client, RUN, worker_id="w2").claim() == "busy"


def test_a_run_is_not_taken_before_its_time(client: redis.Redis) -> None:
    create(client)
    change(client, ready_at=server_ms(client) + 60_000)
    worker = StoryWriter(client, RUN)

    assert worker.claim() == "later"
    assert read(client).attempt == 0
    change(client, ready_at=server_ms(client))
    assert worker.claim() == "ok"


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


def test_a_claim_whose_answer_was_lost_is_answered_again(client: redis.Redis) -> None:
    create(client)
    worker = StoryWriter(client, RUN)
    worker.claim(token="mine")

    assert worker.claim(token="mine") == "ok"
    assert worker.attempt == read(client).attempt == 1
    assert StoryWriter(client, RUN).claim(token="other") == "busy"


def test_a_claim_begins_the_run(client: redis.Redis, writer: StoryWriter) -> None:
    record = read(client)

    assert (record.state, record.owner, record.attempt) == (RunState.RUNNING, "w1", 1)
    assert record.token == writer.token
    assert record.started_at >= record.created_at
    assert record.lease_until == record.started_at + LEASE_MS
    assert record.progress_until == record.started_at + SILENCE_MS


def test_a_later_claim_leaves_the_time_of_the_first(client: redis.Redis, writer: StoryWriter) -> None:
    change(client, started_at=5)
    writer.release(RunState.QUEUED)

    assert writer.claim() == "ok"
    record = read(client)
    assert (record.attempt, record.started_at) == (2, 5)


def test_a_lease_is_renewed_for_its_holder_only(client: redis.Redis, writer: StoryWriter) -> None:
    change(client, lease_until=1)

    assert writer.renew(lease_ms=5_000) == ["ok", ""]
    assert read(client).lease_until > 1
    writer.token = "another"
    assert writer.renew() == ["lost"]


@pytest.mark.parametrize("state", [RunState.QUEUED, RunState.WAITING])
def test_the_lease_of_an_attempt_that_was_given_back_is_lost(
    client: redis.Redis, writer: StoryWriter, state: Any
) -> None:
    writer.release(state)

    assert writer.renew() == ["lost"]
    assert read(client).lease_until == 0


def test_the_lease_of_a_finished_run_is_lost(client: redis.Redis, writer: StoryWriter) -> None:
    writer.start()
    writer.complete()

    assert writer.renew() == ["lost"]


def test_a_renewal_says_when_the_server_has_lost_writes_and_holds_the_lease_meanwhile(
    client: redis.Redis, writer: StoryWriter
) -> None:
    writer.start()
    writer.think()
    change(client, number=1, lease_until=1)

    assert writer.renew() == ["behind"]
    assert read(client).lease_until > 1


@pytest.mark.parametrize("lost", ["claim", "record"])
def test_a_renewal_says_when_the_server_has_lost_the_attempt(
    client: redis.Redis, writer: StoryWriter, lost: str
) -> None:
    if lost == "record":
        client.delete(keys.run(RUN))
    else:
        change(client, state="queued", attempt=0, token="")

    assert writer.renew() == ["behind"]
    assert bool(client.exists(keys.run(RUN))) == (lost == "claim")


def test_a_write_is_a_sign_of_progress_and_a_renewal_is_not(client: redis.Redis, writer: StoryWriter) -> None:
    change(client, progress_until=1)

    writer.renew()
    assert read(client).progress_until == 1

    writer.append(None, silence_ms=60_000)
    assert abs(read(client).progress_until - server_ms(client) - 60_000) < 5_000


def test_each_event_is_published_as_it_is_stored(client: redis.Redis, writer: StoryWriter) -> None:
    with listening(client, keys.events_channel(RUN)) as hear:
        writer.start()
        writer.complete()

        heard = [hear(), hear()]
    stored: Any = client.xrange(keys.log(RUN))
    assert heard == [fields[b"e"] for _, fields in stored]


def test_the_wish_to_stop_is_kept_with_its_time_and_the_first_one_counts(client: redis.Redis) -> None:
    create(client)

    assert cancel(client) == "queued"
    first = read(client)
    assert first.cancel_by == "user"
    assert abs(first.cancel_at - server_ms(client)) < 5_000

    change(client, cancel_at=5)
    run_script(client, scripts.cancel(RUN, by="somebody else"))
    assert (read(client).cancel_by, read(client).cancel_at) == ("user", 5)
    assert story(client) == []


def test_the_worker_of_a_running_run_is_told_of_the_wish_to_stop(client: redis.Redis, writer: StoryWriter) -> None:
    with listening(client, keys.control_channel("w1")) as hear:
        assert cancel(client) == "running"

        assert hear() == b"cancel run_1"
    assert writer.renew() == ["ok", "user"]
    assert story(client) == []


def test_a_finished_run_is_not_stopped(client: redis.Redis, writer: StoryWriter) -> None:
    writer.start()
    writer.complete()

    assert cancel(client) == "completed"
    assert read(client).cancel_by == ""


def test_a_wish_to_stop_a_run_that_is_not_there_makes_none(client: redis.Redis) -> None:
    assert cancel(client) == "missing"
    assert not client.exists(keys.run(RUN))


def test_nothing_of_a_run_expires_before_it_has_ended(client: redis.Redis) -> None:
    create(client)
    writer = waiting_writer(client, RUN)
    client.hset(keys.journal(RUN), "x", "y")

    assert read(client).state == RunState.WAITING
    assert [client.pttl(build(RUN)) for build in (keys.run, keys.log, keys.journal, keys.approvals)] == [-1] * 4
    assert writer.renew() == ["lost"]


def test_everything_of_a_run_expires_after_its_end_and_its_journal_goes_at_once(
    client: redis.Redis, writer: StoryWriter
) -> None:
    writer.start()
    writer.begin_tool()
    writer.ask()
    entries = Entries(journal={"x": b"y"})
    writer.append(thought(writer, "x"), result=ToolResult("a1.t2", b"[1]"), entries=entries, retention_ms=300)
    assert client.get(keys.tool_result(RUN, "a1.t2")) == b"[1]"
    writer.append(thought(writer, "y"), ending=scripts.Ending(RunState.FAILED), retention_ms=300)

    names = [keys.run(RUN), keys.log(RUN), keys.approvals(RUN), keys.tool_result(RUN, "a1.t2")]
    assert all(0 < client.pttl(name) <= 300 for name in names)
    assert not client.exists(keys.journal(RUN))
    wait_until(lambda: not client.keys("*run_1*"), what="all keys of the run are gone")


def test_the_end_keeps_answer_and_usage_in_the_record(client: redis.Redis, writer: StoryWriter) -> None:
    writer.start()
    writer.complete("forty-two")

    record = read(client)
    assert (record.state, record.answer) == (RunState.COMPLETED, "forty-two")
    assert '"output_tokens":5' in record.usage
    assert record.ended_at >= record.started_at
    assert (record.lease_until, record.owner) == (0, "")


def test_a_server_that_has_forgotten_the_scripts_is_given_them_again(client: redis.Redis) -> None:
    create(client, "run_a")
    client.script_flush()

    assert create(client, "run_b") == b"created"
