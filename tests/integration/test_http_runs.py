"""Asking, looking and stopping by HTTP, on a real Redis."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from typing import Any

import pytest
import redis
from flask import Flask
from flask.testing import FlaskClient

from tests.support.asking import ask, error_of, rings
from tests.support.waiting import wait_until
from tests.support.web import CATALOGUE, StoryWriter, reap, services_of, waiting_writer
from web.identity.cookie import COOKIE
from worker.contract import codec, keys
from worker.contract.commands import DEFAULT_QUEUE, EXECUTE_RUN

StartApp = Callable[..., Flask]


def refused(browser: FlaskClient, status: int, **fields: Any) -> dict[str, Any]:
    return error_of(browser.post("/api/runs", json=fields), status)


def test_a_message_becomes_a_queued_run_and_a_ring(browser: FlaskClient, redis_client: redis.Redis) -> None:
    answer = ask(browser, "Which region?")

    run_id, thread_id = answer["run_id"], answer["thread_id"]
    assert re.fullmatch("run_[0-9a-f]{32}", run_id)
    assert re.fullmatch("thr_[0-9a-f]{32}", thread_id)
    assert (answer["state"], answer["ahead"]) == ("queued", 0)
    assert answer["events_url"] == f"/api/runs/{run_id}/events"
    assert rings(redis_client) == [run_id]
    assert json.loads(str(redis_client.lindex(DEFAULT_QUEUE, 0)))["headers"]["task"] == EXECUTE_RUN
    assert redis_client.zrange(keys.RUNS_LIVE, 0, -1) == [run_id]

    run = browser.get(f"/api/runs/{run_id}").get_json()
    created_at = run.pop("created_at")
    assert created_at > 1_700_000_000_000
    assert run == {
        "run_id": run_id,
        "thread_id": thread_id,
        "agent": "triage",
        "message": "Which region?",
        "state": "queued",
        "stopping": False,
        "attempt": 0,
        "last_seq": 0,
        "last_cursor": "",
        "started_at": 0,
        "ended_at": 0,
        "outcome_seen_at": 0,
        "usage": None,
    }


def test_a_run_shows_what_its_worker_has_done(browser: FlaskClient, app: Flask) -> None:
    run_id = ask(browser)["run_id"]
    worker = StoryWriter(services_of(app).redis, run_id)
    worker.claim()
    worker.start()
    worker.complete()

    run = browser.get(f"/api/runs/{run_id}").get_json()

    assert (run["state"], run["attempt"], run["last_seq"]) == ("completed", 1, 2)
    assert run["created_at"] <= run["started_at"] <= run["ended_at"]
    assert run["usage"] == {"input_tokens": 3, "output_tokens": 5, "model_requests": 0, "tool_calls": 0}


def test_repeats_with_one_key_give_one_run(browser: FlaskClient, redis_client: redis.Redis) -> None:
    first = ask(browser, idempotency_key="k1")
    second = ask(browser, idempotency_key="k1")

    assert second == first
    assert redis_client.zcard(keys.RUNS_LIVE) == 1
    assert len(browser.get("/api/threads").get_json()["threads"]) == 1
    # A repeat may mean that the first ring was lost; a worker ignores the second.
    assert rings(redis_client) == [first["run_id"]] * 2


def test_repeats_at_the_same_time_give_one_run_in_one_thread(app: Flask, browser: FlaskClient) -> None:
    browser.get("/api/session")
    cookie = browser.get_cookie(COOKIE)
    assert cookie is not None
    answers: list[dict[str, Any]] = []

    def try_once() -> None:
        tab = app.test_client()
        tab.set_cookie(COOKIE, cookie.value)
        answers.append(ask(tab, idempotency_key="k1"))

    tries = [threading.Thread(target=try_once) for _ in range(10)]
    for one in tries:
        one.start()
    for one in tries:
        one.join()

    assert len(answers) == 10
    assert all(answer == answers[0] for answer in answers)
    assert len(browser.get("/api/threads").get_json()["threads"]) == 1


def test_a_repeat_after_the_run_has_begun_does_not_ring_again(
    browser: FlaskClient, app: Flask, redis_client: redis.Redis
) -> None:
    run_id = ask(browser, idempotency_key="k1")["run_id"]
    StoryWriter(services_of(app).redis, run_id).claim()

    assert ask(browser, idempotency_key="k1")["state"] == "running"
    assert len(rings(redis_client)) == 1


def test_a_key_that_stands_for_another_message_is_a_conflict(browser: FlaskClient) -> None:
    first = ask(browser, idempotency_key="k1")

    for changed in ({"message": "other"}, {"message": "hello", "agent": "data"}):
        assert refused(browser, 409, idempotency_key="k1", **changed)["code"] == "idempotency_conflict"
    assert ask(browser, idempotency_key="k1", agent="triage", thread_id=first["thread_id"]) == first


def test_the_same_key_of_another_user_is_another_run(browser: FlaskClient, stranger: FlaskClient) -> None:
    assert ask(browser, idempotency_key="k1")["run_id"] != ask(stranger, idempotency_key="k1")["run_id"]


@pytest.mark.parametrize("lost", ["record", "thread", "lists"])
def test_a_retry_completes_what_a_crash_cut_short(browser: FlaskClient, redis_client: redis.Redis, lost: str) -> None:
    """Whatever was not yet written when the process died, the second try writes it."""
    first = ask(browser, idempotency_key="k1")
    user_id = browser.get("/api/session").get_json()["user_id"]
    run_id, thread_id = first["run_id"], first["thread_id"]
    after_record = [keys.RUNS_LIVE, keys.user_live(user_id), keys.thread(thread_id), keys.thread_runs(thread_id)]
    forgotten = {
        "record": [keys.run(run_id), *after_record, keys.user_threads(user_id)],
        "lists": after_record,
        "thread": [keys.thread(thread_id), keys.user_threads(user_id)],
    }
    redis_client.delete(*forgotten[lost])

    second = ask(browser, idempotency_key="k1")

    assert second["run_id"] == run_id
    assert redis_client.zrange(keys.RUNS_LIVE, 0, -1) == [run_id]
    thread = browser.get(f"/api/threads/{second['thread_id']}").get_json()
    assert [run["run_id"] for run in thread["runs"]] == [run_id]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({}, "message"),
        ({"message": 5}, "message"),
        ({"message": "  \n"}, "message"),
        ({"message": "\u200b \u2060\ufeff\u202e"}, "message"),
        ({"message": "hi", "agent": 1}, "agent"),
        ({"message": "hi", "color": "red"}, "color"),
        ({"message": "hi", "idempotency_key": ""}, "idempotency_key"),
        ({"message": "hi", "idempotency_key": "k" * 129}, "idempotency_key"),
        ({"message": "hi", "thread_id": "t" * 65}, "thread_id"),
    ],
)
def test_a_wrong_field_is_named_and_nothing_is_stored(
    browser: FlaskClient, redis_client: redis.Redis, fields: dict[str, Any], field: str
) -> None:
    error = refused(browser, 422, **fields)

    assert error["code"] == "invalid_request"
    assert error["detail"]["field"] == field
    assert redis_client.keys() == [keys.CATALOGUE]


def test_a_long_message_is_refused_with_its_limit(browser: FlaskClient) -> None:
    assert ask(browser, "ä" * 20_000)
    error = refused(browser, 422, message="ä" * 20_001)

    assert error["code"] == "message_too_long"
    assert error["detail"] == {"field": "message", "limit": 20_000}


def test_a_message_of_the_largest_size_fits_however_it_is_written(browser: FlaskClient) -> None:
    """Escaped, a character outside the basic plane has twelve bytes."""
    body = json.dumps({"message": "\U0001f600" * 20_000})
    assert len(body) > 240_000

    response = browser.post("/api/runs", data=body, content_type="application/json")

    assert response.status_code == 202, response.text


def test_an_unknown_agent_is_refused_with_the_names_that_there_are(browser: FlaskClient) -> None:
    error = refused(browser, 422, message="hi", agent="nobody")

    assert error["code"] == "unknown_agent"
    assert error["detail"]["agents"] == ["triage", "data"]
    assert "triage, data" in error["message"]


def test_before_any_worker_has_started_a_named_agent_is_taken_on_trust(start_app: StartApp) -> None:
    browser = start_app().test_client()

    error = refused(browser, 503, message="hi")

    assert error["code"] == "no_worker"
    assert ask(browser, agent="data")["state"] == "queued"
    assert browser.get("/api/agents").get_json()["agents"] == []


def test_a_run_goes_into_the_thread_that_it_names(browser: FlaskClient) -> None:
    first = ask(browser)
    second = ask(browser, thread_id=first["thread_id"])

    assert second["thread_id"] == first["thread_id"]
    assert second["run_id"] != first["run_id"]


def test_someone_elses_thread_and_no_thread_are_the_same(browser: FlaskClient, stranger: FlaskClient) -> None:
    theirs = ask(browser)["thread_id"]

    errors = [
        refused(stranger, 404, message="hi", thread_id=thread) for thread in (theirs, "thr_" + "0" * 32, "{x}:run")
    ]

    assert errors[0]["code"] == "not_found"
    assert errors[0] == errors[1] == errors[2]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("GET", "/events"),
        ("POST", "/cancel"),
        ("GET", "/tool_calls/a1.t1/result"),
        ("GET", "/approvals/a1.t1"),
        ("POST", "/approvals/a1.t1"),
        ("GET", "/delivery"),
    ],
)
def test_someone_elses_run_and_no_run_are_the_same(
    browser: FlaskClient, stranger: FlaskClient, method: str, path: str
) -> None:
    theirs = ask(browser)["run_id"]

    answers = [
        stranger.open(f"/api/runs/{run_id}{path}", method=method)
        for run_id in (theirs, "run_" + "0" * 32, "%7Bx%7D", "..")
    ]

    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.text for answer in answers[:3]}) == 1
    assert browser.get(f"/api/runs/{theirs}").get_json()["state"] == "queued"


def test_too_many_unfinished_runs_of_one_user_are_refused(start_app: StartApp) -> None:
    app = start_app(MAX_RUNS_PER_USER="2")
    browser, other = app.test_client(), app.test_client()
    first, _ = (ask(browser, agent="data", idempotency_key=key) for key in ("k1", "k2"))

    error = refused(browser, 429, message="hi", agent="data")

    assert error["code"] == "too_many_runs"
    assert error["detail"] == {"limit": 2}
    assert ask(other, agent="data")
    assert ask(browser, agent="data", idempotency_key="k1") == first


def test_runs_that_have_ended_do_not_count(start_app: StartApp, redis_client: redis.Redis) -> None:
    """The list of unfinished runs may be behind; the runs' own states decide."""
    app = start_app(MAX_RUNS_PER_USER="2")
    browser = app.test_client()
    ended, vanished = (ask(browser, agent="data")["run_id"] for _ in range(2))
    worker = StoryWriter(services_of(app).redis, ended)
    worker.claim()
    worker.start()
    worker.complete()
    redis_client.delete(keys.run(vanished))

    assert ask(browser, agent="data")
    assert ask(browser, agent="data")
    assert refused(browser, 429, message="hi", agent="data")


def test_a_full_house_is_refused_for_everyone(start_app: StartApp) -> None:
    app = start_app(MAX_QUEUED_RUNS="1")
    ask(app.test_client(), agent="data")

    response = app.test_client().post("/api/runs", json={"message": "hi", "agent": "data"})

    assert response.status_code == 503
    assert response.get_json()["error"]["code"] == "busy"
    assert response.headers["Retry-After"]


def test_a_queued_run_stops_at_once_with_a_whole_story(browser: FlaskClient, redis_client: redis.Redis) -> None:
    run_id = ask(browser, "never mind")["run_id"]

    response = browser.post(f"/api/runs/{run_id}/cancel")

    assert response.status_code == 202
    assert response.get_json() == {"run_id": run_id, "state": "cancelled", "stopping": False}
    started, cancelled = browser.get(f"/api/runs/{run_id}/events").get_json()["events"]
    assert started["data"] == {"input": "never mind", "model": CATALOGUE.model, "tools": ["list_tables"]}
    assert cancelled["data"] == {"by": "user"}
    assert (started["terminal"], cancelled["terminal"]) == (False, True)
    assert redis_client.zcard(keys.RUNS_LIVE) == 0


def test_a_running_run_is_asked_to_stop(browser: FlaskClient, app: Flask) -> None:
    run_id = ask(browser)["run_id"]
    StoryWriter(services_of(app).redis, run_id).claim()

    answer = browser.post(f"/api/runs/{run_id}/cancel").get_json()

    assert answer == {"run_id": run_id, "state": "running", "stopping": True}
    assert browser.get(f"/api/runs/{run_id}").get_json()["stopping"]


def test_stopping_a_finished_run_gives_its_state(browser: FlaskClient, app: Flask) -> None:
    run_id = ask(browser)["run_id"]
    worker = StoryWriter(services_of(app).redis, run_id)
    worker.claim()
    worker.start()
    worker.complete()

    response = browser.post(f"/api/runs/{run_id}/cancel")

    assert response.status_code == 202
    assert response.get_json() == {"run_id": run_id, "state": "completed", "stopping": False}


def test_a_run_that_waits_for_a_person_stops_at_once_and_its_open_call_is_closed(
    browser: FlaskClient, app: Flask, redis_client: redis.Redis
) -> None:
    run_id = ask(browser)["run_id"]
    waiting_writer(services_of(app).redis, run_id)

    answer = browser.post(f"/api/runs/{run_id}/cancel").get_json()

    assert answer == {"run_id": run_id, "state": "cancelled", "stopping": False}
    events = browser.get(f"/api/runs/{run_id}/events").get_json()["events"]
    assert [event["type"] for event in events[-3:]] == ["approval_requested", "tool_completed", "agent_cancelled"]
    assert (events[-2]["data"]["call_id"], events[-2]["data"]["status"]) == ("a1.t1", "cancelled")
    assert redis_client.zcard(keys.RUNS_LIVE) == 0


def test_a_run_whose_worker_has_died_is_asked_to_stop_and_ended_by_whoever_sweeps_next(
    browser: FlaskClient, app: Flask
) -> None:
    run_id = ask(browser)["run_id"]
    worker = StoryWriter(services_of(app).redis, run_id)
    worker.claim(lease_ms=0)
    worker.start()
    worker.begin_tool()

    answer = browser.post(f"/api/runs/{run_id}/cancel").get_json()
    assert answer == {"run_id": run_id, "state": "running", "stopping": True}

    def ended() -> bool:
        reap(app)
        return bool(browser.get(f"/api/runs/{run_id}").get_json()["state"] == "cancelled")

    wait_until(ended)
    events = browser.get(f"/api/runs/{run_id}/events").get_json()["events"]
    assert [event["type"] for event in events[-2:]] == ["tool_completed", "agent_cancelled"]
    assert worker.think() == ["finished"]


def test_the_end_of_a_run_lets_the_next_of_its_thread_begin(browser: FlaskClient, redis_client: redis.Redis) -> None:
    first = ask(browser)
    second = ask(browser, thread_id=first["thread_id"])

    browser.post(f"/api/runs/{first['run_id']}/cancel")

    assert rings(redis_client) == [first["run_id"], second["run_id"]]


def test_what_can_run_is_listed(browser: FlaskClient) -> None:
    assert browser.get("/api/agents").get_json() == json.loads(codec.encode(CATALOGUE))
