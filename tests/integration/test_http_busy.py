"""A second message in a conversation whose answer is not finished: it waits, is refused, or takes over."""

from __future__ import annotations

import pytest
import redis
from flask import Flask
from flask.testing import FlaskClient

from tests.support.asking import ask, error_of, rings
from tests.support.runs import queue_of
from tests.support.web import StoryWriter, services_of, waiting_writer


def state_of(browser: FlaskClient, run_id: str) -> str:
    return str(browser.get(f"/api/runs/{run_id}").get_json()["state"])


def begin(app: Flask, run_id: str) -> StoryWriter:
    """A worker takes the run."""
    worker = StoryWriter(services_of(app).redis, run_id)
    assert worker.claim() == "ok"
    worker.start()
    return worker


def test_a_second_message_waits_for_the_first_by_itself(
    browser: FlaskClient, app: Flask, redis_client: redis.Redis
) -> None:
    first = ask(browser, "one")
    thread_id = first["thread_id"]
    begin(app, first["run_id"])

    second = ask(browser, "two", thread_id=thread_id)
    third = ask(browser, "three", thread_id=thread_id, when_busy="queue")

    assert [run["ahead"] for run in (first, second, third)] == [0, 1, 2]
    assert second["state"] == third["state"] == "queued"
    assert queue_of(services_of(app).redis, thread_id) == [run["run_id"] for run in (first, second, third)]
    # Rung for when it is its turn.
    assert rings(redis_client) == [first["run_id"]]


def test_a_message_to_another_conversation_waits_for_nobody(browser: FlaskClient) -> None:
    ask(browser)

    assert ask(browser)["ahead"] == 0


def test_a_repeat_of_a_message_that_waits_has_the_same_place(browser: FlaskClient) -> None:
    thread_id = ask(browser)["thread_id"]
    second = ask(browser, thread_id=thread_id, idempotency_key="k2")
    ask(browser, thread_id=thread_id)

    assert ask(browser, thread_id=thread_id, idempotency_key="k2") == second
    assert second["ahead"] == 1


def test_when_the_first_has_ended_the_second_is_first(browser: FlaskClient, app: Flask) -> None:
    first = ask(browser)
    ask(browser, thread_id=first["thread_id"])
    browser.post(f"/api/runs/{first['run_id']}/cancel")

    assert ask(browser, thread_id=first["thread_id"])["ahead"] == 1


@pytest.mark.parametrize("state", ["queued", "running", "waiting"])
def test_a_message_that_does_not_wait_is_refused_while_the_thread_is_busy(
    browser: FlaskClient, app: Flask, redis_client: redis.Redis, state: str
) -> None:
    first = ask(browser)
    if state == "running":
        begin(app, first["run_id"])
    if state == "waiting":
        waiting_writer(services_of(app).redis, first["run_id"])
    stored = sorted(redis_client.keys())

    body = {"message": "now!", "thread_id": first["thread_id"], "when_busy": "reject"}
    error = error_of(browser.post("/api/runs", json=body), 409)

    assert error["code"] == "thread_busy"
    assert error["detail"] == {"run_ids": [first["run_id"]]}
    assert sorted(redis_client.keys()) == stored
    assert state_of(browser, first["run_id"]) == state


def test_a_message_that_does_not_wait_is_taken_once_the_thread_is_idle(browser: FlaskClient, app: Flask) -> None:
    first = ask(browser, when_busy="reject")
    begin(app, first["run_id"]).complete()

    # Its worker has not taken it off the queue yet; that it has ended is what counts.
    second = ask(browser, thread_id=first["thread_id"], when_busy="reject")

    assert second["state"] == "queued"


def test_a_refused_message_can_be_sent_again_with_its_key(browser: FlaskClient) -> None:
    first = ask(browser)
    body = {"message": "now!", "thread_id": first["thread_id"], "when_busy": "reject", "idempotency_key": "k2"}
    error_of(browser.post("/api/runs", json=body), 409)
    browser.post(f"/api/runs/{first['run_id']}/cancel")

    assert browser.post("/api/runs", json=body).status_code == 202


def test_a_repeat_of_a_message_that_was_taken_is_not_refused_for_what_came_after_it(browser: FlaskClient) -> None:
    first = ask(browser, "one")
    thread_id = first["thread_id"]
    browser.post(f"/api/runs/{first['run_id']}/cancel")
    taken = ask(browser, "two", thread_id=thread_id, when_busy="reject", idempotency_key="k2")
    ask(browser, "three", thread_id=thread_id)

    assert ask(browser, "two", thread_id=thread_id, when_busy="reject", idempotency_key="k2") == taken


def test_a_message_that_interrupts_stops_what_waits_and_goes_first(
    browser: FlaskClient, app: Flask, redis_client: redis.Redis
) -> None:
    waits = ask(browser, "one")
    thread_id = waits["thread_id"]
    waiting_writer(services_of(app).redis, waits["run_id"])
    queued = ask(browser, "two", thread_id=thread_id)

    third = ask(browser, "three", thread_id=thread_id, when_busy="interrupt")

    assert [state_of(browser, run["run_id"]) for run in (waits, queued, third)] == ["cancelled", "cancelled", "queued"]
    assert third["ahead"] == 0
    # What was stopped before it began was not begun for that: nobody was told of it.
    assert rings(redis_client) == [waits["run_id"], third["run_id"]]


def test_a_message_that_interrupts_waits_until_what_runs_has_stopped(
    browser: FlaskClient, app: Flask, redis_client: redis.Redis
) -> None:
    runs = ask(browser, "one")
    thread_id = runs["thread_id"]
    worker = begin(app, runs["run_id"])
    queued = ask(browser, "two", thread_id=thread_id)

    third = ask(browser, "three", thread_id=thread_id, when_busy="interrupt")

    assert (third["state"], third["ahead"]) == ("queued", 1)
    assert browser.get(f"/api/runs/{runs['run_id']}").get_json()["stopping"]
    assert worker.renew() == ["ok", "user"]
    assert state_of(browser, queued["run_id"]) == "cancelled"
    assert rings(redis_client) == [runs["run_id"]]


def test_a_repeat_of_a_message_that_interrupted_stops_nothing_that_came_after_it(
    browser: FlaskClient, app: Flask
) -> None:
    first = ask(browser, "one")
    thread_id = first["thread_id"]
    interrupting = ask(browser, "two", thread_id=thread_id, when_busy="interrupt", idempotency_key="k2")
    begin(app, interrupting["run_id"]).complete()
    later = ask(browser, "three", thread_id=thread_id)

    ask(browser, "two", thread_id=thread_id, when_busy="interrupt", idempotency_key="k2")

    assert state_of(browser, later["run_id"]) == "queued"
    assert state_of(browser, interrupting["run_id"]) == "completed"


def test_a_key_that_stands_for_another_message_interrupts_nothing(browser: FlaskClient) -> None:
    first = ask(browser, "one", idempotency_key="k1")
    body = {"message": "two", "thread_id": first["thread_id"], "when_busy": "interrupt", "idempotency_key": "k1"}

    assert error_of(browser.post("/api/runs", json=body), 409)["code"] == "idempotency_conflict"
    assert state_of(browser, first["run_id"]) == "queued"


def test_nobody_interrupts_someone_elses_conversation(browser: FlaskClient, stranger: FlaskClient) -> None:
    theirs = ask(browser)
    body = {"message": "stop!", "thread_id": theirs["thread_id"], "when_busy": "interrupt"}

    error_of(stranger.post("/api/runs", json=body), 404)
    assert state_of(browser, theirs["run_id"]) == "queued"


def test_what_to_do_when_busy_is_one_of_three(browser: FlaskClient, redis_client: redis.Redis) -> None:
    error = error_of(browser.post("/api/runs", json={"message": "hi", "when_busy": "shout"}), 422)

    assert error["detail"] == {"field": "when_busy"}


def test_a_deleted_conversation_begins_none_of_its_runs(browser: FlaskClient, redis_client: redis.Redis) -> None:
    first = ask(browser)
    ask(browser, thread_id=first["thread_id"])

    browser.delete(f"/api/threads/{first['thread_id']}")

    assert rings(redis_client) == [first["run_id"]]
    assert queue_of(redis_client, first["thread_id"]) == []
