"""The decision on a tool call that waits for a person, by the script, on a real server."""

from __future__ import annotations

import threading
from typing import Any, Literal

import pytest
import redis

from tests.support.runs import RUN, change, create, listening, read, server_ms, story
from tests.support.web import StoryWriter, waiting_writer
from web.stores.client import run_script
from worker.contract import codec, keys, scripts
from worker.contract.approvals import Approval, Verdict, read_approvals, resolved_draft
from worker.contract.events import ApprovalResolved
from worker.contract.run import RunRecord, RunState

CALL = "a1.t1"


@pytest.fixture
def client(bytes_client: redis.Redis) -> redis.Redis:
    create(bytes_client)
    return bytes_client


def approvals(client: redis.Redis) -> dict[str, Approval]:
    fields: Any = client.hgetall(keys.approvals(RUN))
    return read_approvals(fields)


def decide(
    client: redis.Redis,
    verdict: Verdict,
    *,
    by: Literal["person", "clock"] = "person",
    call_id: str = CALL,
    record: RunRecord | None = None,
) -> list[Any]:
    request = approvals(client)[CALL].request
    record = record or read(client)
    resolved = resolved_draft(record, call_id, request, verdict)
    decision = codec.encode(verdict)
    call = scripts.decide(RUN, call_id, by=by, decision=decision, attempt=record.attempt, resolved=resolved)
    answer: list[Any] = run_script(client, call)
    return answer


YES = Verdict(decision="approved", by="usr_1")
NO = Verdict(decision="denied", by="usr_1")
TOO_LATE = Verdict(decision="expired", by="")


def test_a_decision_sends_the_run_that_waited_for_it_back_to_the_queue_and_is_told(client: redis.Redis) -> None:
    waiting_writer(client, RUN)

    with listening(client, keys.events_channel(RUN)) as hear:
        assert decide(client, YES) == [b"ok", b"queued"]
        assert b'"type":"approval_resolved"' in hear()

    record = read(client)
    assert (record.state, record.resume_reason, record.rung_at, record.losses) == (RunState.QUEUED, "", 0, 0)
    assert record.queued_at >= record.started_at
    told = story(client)[-1]
    assert isinstance(told, ApprovalResolved)
    assert (told.data.call_id, told.data.decision, told.data.by, told.data.edited) == (CALL, "approved", "usr_1", False)
    assert (told.agent_call_id, told.attempt) == ("a1", 1)
    assert StoryWriter(client, RUN).claim() == "ok"


def test_the_first_decision_wins(client: redis.Redis) -> None:
    waiting_writer(client, RUN)
    decide(client, NO)

    assert decide(client, YES) == [b"decided", codec.encode(NO)]
    assert decide(client, TOO_LATE, by="clock") == [b"decided", codec.encode(NO)]
    assert len(story(client)) == 4
    assert approvals(client)[CALL].verdict == NO


def test_of_many_decisions_at_one_moment_one_is_the_first(client: redis.Redis) -> None:
    waiting_writer(client, RUN)
    answers: list[bytes] = []
    people = [
        threading.Thread(
            target=lambda n=n: answers.append(decide(client, Verdict(decision="approved", by=f"usr_{n}"))[0])
        )
        for n in range(8)
    ]
    for person in people:
        person.start()
    for person in people:
        person.join()

    assert sorted(answers) == [b"decided"] * 7 + [b"ok"]
    assert sum(isinstance(event, ApprovalResolved) for event in story(client)) == 1


def test_after_its_time_only_the_clock_decides_and_before_it_only_a_person(client: redis.Redis) -> None:
    waiting_writer(client, RUN)

    assert decide(client, TOO_LATE, by="clock") == [b"early"]
    client.hset(keys.approvals(RUN), f"{CALL}:expires", server_ms(client))
    assert decide(client, YES) == [b"expired"]
    assert len(story(client)) == 3
    assert decide(client, TOO_LATE, by="clock") == [b"ok", b"queued"]


def test_a_run_that_is_being_stopped_takes_no_decision(client: redis.Redis) -> None:
    waiting_writer(client, RUN)
    run_script(client, scripts.cancel(RUN, by="user"))

    assert decide(client, YES) == [b"stopping"]
    assert len(story(client)) == 3


def test_a_run_that_has_ended_takes_no_decision(client: redis.Redis) -> None:
    waiting_writer(client, RUN)
    change(client, state="failed")

    assert decide(client, YES) == [b"finished"]


def test_a_call_that_asks_nobody_takes_no_decision(client: redis.Redis) -> None:
    waiting_writer(client, RUN)

    assert decide(client, YES, call_id="a1.t2") == [b"missing"]
    client.delete(keys.run(RUN))
    change(client, "run_other", state="waiting")
    resolved = ("t", codec.Draft(b"{", b"}"))
    call = scripts.decide(RUN, CALL, by="person", decision=b"{}", attempt=1, resolved=resolved)
    assert run_script(client, call) == [b"missing"]
    assert not client.exists(keys.run(RUN))


def test_a_decision_that_comes_before_the_run_has_stopped_to_wait_lets_it_go_on_at_once(client: redis.Redis) -> None:
    """Else it would wait for ever: nobody decides a second time."""
    writer = StoryWriter(client, RUN)
    writer.claim()
    writer.start()
    writer.begin_tool()
    writer.ask()

    assert decide(client, YES) == [b"ok", b"running"]
    assert writer.think()[0] == "ok"
    assert writer.release(RunState.WAITING) == "queued"
    assert writer.claim() == "ok"
    # This attempt has known the decision from its begin; what it waits for now is another one.
    assert writer.release(RunState.WAITING) == "waiting"


def test_a_decision_is_not_told_in_the_name_of_an_attempt_that_is_over(client: redis.Redis) -> None:
    """Else the story would go back to it."""
    writer = StoryWriter(client, RUN)
    writer.claim()
    writer.start()
    writer.ask()
    seen = read(client)
    writer.release(RunState.QUEUED, "The server was restarted.")
    writer.claim()

    assert decide(client, YES, record=seen) == [b"moved"]
    assert approvals(client)[CALL].verdict is None
    assert decide(client, YES) == [b"ok", b"running"]
    assert [event.attempt for event in story(client)] == [1, 1, 2]


def test_a_decision_while_the_run_waits_for_a_worker_leaves_it_there(client: redis.Redis) -> None:
    writer = StoryWriter(client, RUN)
    writer.claim()
    writer.start()
    writer.ask()
    writer.release(RunState.QUEUED, "The server was restarted.")

    assert decide(client, YES) == [b"ok", b"queued"]
    record = read(client)
    assert (record.state, record.resume_reason) == (RunState.QUEUED, "The server was restarted.")
    # The next attempt reads it when it begins, and then waits for other things as any would.
    writer.claim()
    assert writer.release(RunState.WAITING) == "waiting"


def test_a_run_that_waits_knows_when_the_first_of_its_open_decisions_is_overdue(client: redis.Redis) -> None:
    writer = StoryWriter(client, RUN)
    writer.claim()
    writer.start()
    now = server_ms(client)
    for call_id, later in (("a1.t1", 10_000), ("a1.t2", 30_000), ("a1.t10", 20_000)):
        writer.ask(call_id, expires_at=now + later)
    writer.release(RunState.WAITING)
    assert read(client).decide_by == now + 10_000

    decide(client, YES)
    writer.claim()
    writer.release(RunState.WAITING)
    assert read(client).decide_by == now + 20_000


def test_changed_arguments_are_kept_with_the_decision_and_the_event_says_so(client: redis.Redis) -> None:
    waiting_writer(client, RUN, editable=True)

    decide(client, Verdict(decision="approved", by="usr_1", arguments={"table": "orders"}))

    told = story(client)[-1]
    assert isinstance(told, ApprovalResolved)
    assert told.data.edited
    approval = approvals(client)[CALL]
    assert approval.request.arguments == {"table": "sales"}
    assert approval.verdict is not None
    assert approval.verdict.arguments == {"table": "orders"}


def test_calls_of_one_run_are_decided_each_by_itself(client: redis.Redis) -> None:
    writer = StoryWriter(client, RUN)
    writer.claim()
    writer.start()
    writer.ask(CALL)
    writer.ask("a1.t2", expires_at=1)
    writer.release(RunState.WAITING)

    assert decide(client, NO) == [b"ok", b"queued"]
    assert decide(client, TOO_LATE, by="clock", call_id="a1.t2") == [b"ok", b"queued"]
    verdicts = {
        call: approval.verdict.decision for call, approval in approvals(client).items() if approval.verdict is not None
    }
    assert verdicts == {CALL: "denied", "a1.t2": "expired"}
