"""Allowing and denying a tool call by HTTP, on a real Redis."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest
import redis
from flask import Flask
from flask.testing import FlaskClient

from tests.support.asking import ask, error_of, rings
from tests.support.web import StoryWriter, reap, services_of, waiting_writer
from web.approvals import MAX_BODY_BYTES
from web.identity.cookie import COOKIE
from worker.contract import keys
from worker.contract.approvals import hash_arguments
from worker.contract.clock import now_ms
from worker.contract.run import RunState

ARGUMENTS = {"table": "sales", "rows": [1, 2.5, None, "ä"]}


@pytest.fixture
def run_id(browser: FlaskClient) -> str:
    return str(ask(browser)["run_id"])


@pytest.fixture
def worker(app: Flask, run_id: str) -> StoryWriter:
    """A worker's hand, whose run waits for a yes to its call `a1.t1`."""
    return waiting_writer(services_of(app).redis, run_id, arguments=ARGUMENTS)


def address(run_id: str, call_id: str = "a1.t1") -> str:
    return f"/api/runs/{run_id}/approvals/{call_id}"


def show(browser: FlaskClient, run_id: str) -> dict[str, Any]:
    response = browser.get(address(run_id))
    assert response.status_code == 200, response.text
    shown: dict[str, Any] = response.get_json()
    return shown


def decide(browser: FlaskClient, run_id: str, decision: str = "approved", **fields: Any) -> dict[str, Any]:
    response = browser.post(address(run_id), json={"decision": decision, **fields})
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.get_json()
    return answer


def refused(
    browser: FlaskClient, run_id: str, status: int, decision: str = "approved", **fields: Any
) -> dict[str, Any]:
    return error_of(browser.post(address(run_id), json={"decision": decision, **fields}), status)


def user_of(browser: FlaskClient) -> str:
    return str(browser.get("/api/session").get_json()["user_id"])


def state_of(browser: FlaskClient, run_id: str) -> str:
    return str(browser.get(f"/api/runs/{run_id}").get_json()["state"])


def last_event(browser: FlaskClient, run_id: str) -> dict[str, Any]:
    event: dict[str, Any] = browser.get(f"/api/runs/{run_id}/events").get_json()["events"][-1]
    return event


def test_a_call_that_waits_is_shown_exactly(browser: FlaskClient, run_id: str, worker: StoryWriter) -> None:
    shown = show(browser, run_id)

    expires_at = shown.pop("expires_at")
    assert 0 < expires_at - now_ms() <= 60_000
    assert shown == {
        "call_id": "a1.t1",
        "tool_name": "list_tables",
        "arguments": ARGUMENTS,
        "arguments_hash": hash_arguments(ARGUMENTS),
        "editable": False,
        "decision": None,
        "by": "",
    }


@pytest.mark.parametrize("decision", ["approved", "denied"])
def test_a_decision_is_kept_told_and_lets_the_run_go_on(
    browser: FlaskClient, redis_client: redis.Redis, run_id: str, worker: StoryWriter, decision: str
) -> None:
    me = user_of(browser)

    answer = decide(browser, run_id, decision, arguments_hash=hash_arguments(ARGUMENTS))

    assert answer == {"run_id": run_id, "call_id": "a1.t1", "decision": decision, "by": me}
    assert (show(browser, run_id)["decision"], show(browser, run_id)["by"]) == (decision, me)
    told = last_event(browser, run_id)
    assert told["type"] == "approval_resolved"
    assert told["data"] == {"call_id": "a1.t1", "decision": decision, "by": me, "edited": False}
    assert state_of(browser, run_id) == "queued"
    assert rings(redis_client) == [run_id] * 2
    assert worker.claim() == "ok"


def test_the_first_decision_wins(browser: FlaskClient, run_id: str, worker: StoryWriter) -> None:
    decide(browser, run_id, "denied")

    for later in ("approved", "denied"):
        error = refused(browser, run_id, 409, later)
        assert error["code"] == "already_decided"
        assert error["detail"] == {"decision": "denied", "by": user_of(browser)}
    assert show(browser, run_id)["decision"] == "denied"


def test_of_two_tabs_at_one_moment_one_decides(
    app: Flask, browser: FlaskClient, redis_client: redis.Redis, run_id: str, worker: StoryWriter
) -> None:
    cookie = browser.get_cookie(COOKIE)
    assert cookie is not None
    answers: list[int] = []

    def decide_once(decision: str) -> None:
        tab = app.test_client()
        tab.set_cookie(COOKIE, cookie.value)
        answers.append(tab.post(address(run_id), json={"decision": decision}).status_code)

    tabs = [threading.Thread(target=decide_once, args=[decision]) for decision in ("approved", "denied") * 4]
    for tab in tabs:
        tab.start()
    for tab in tabs:
        tab.join()

    assert sorted(answers) == [200] + [409] * 7
    assert rings(redis_client) == [run_id] * 2


def test_arguments_may_be_changed_where_the_tool_says_so(browser: FlaskClient, app: Flask, run_id: str) -> None:
    waiting_writer(services_of(app).redis, run_id, arguments=ARGUMENTS, editable=True)
    assert show(browser, run_id)["editable"]

    decide(browser, run_id, arguments={"table": "orders"}, arguments_hash=hash_arguments(ARGUMENTS))

    shown = show(browser, run_id)
    assert shown["arguments"] == {"table": "orders"}
    assert shown["arguments_hash"] == hash_arguments(ARGUMENTS)
    assert last_event(browser, run_id)["data"]["edited"]


def test_arguments_of_other_tools_may_not_be_changed(browser: FlaskClient, run_id: str, worker: StoryWriter) -> None:
    assert refused(browser, run_id, 422, arguments={"table": "orders"})["code"] == "not_editable"
    assert show(browser, run_id)["decision"] is None


def test_a_decision_on_other_arguments_than_those_that_wait_is_refused(
    browser: FlaskClient, run_id: str, worker: StoryWriter
) -> None:
    error = refused(browser, run_id, 409, arguments_hash=hash_arguments({"table": "orders"}))

    assert error["code"] == "arguments_changed"
    assert show(browser, run_id)["decision"] is None


def test_a_decision_that_comes_too_late_is_refused(browser: FlaskClient, app: Flask, run_id: str) -> None:
    waiting_writer(services_of(app).redis, run_id, expires_at=now_ms() - 1)

    assert refused(browser, run_id, 409)["code"] == "expired"

    assert reap(app)
    shown = show(browser, run_id)
    assert (shown["decision"], shown["by"]) == ("expired", "")
    error = refused(browser, run_id, 409)
    assert (error["code"], error["detail"]) == ("already_decided", {"decision": "expired", "by": ""})


def test_a_run_that_has_ended_takes_no_decision(browser: FlaskClient, run_id: str, worker: StoryWriter) -> None:
    browser.post(f"/api/runs/{run_id}/cancel")

    assert refused(browser, run_id, 409)["code"] == "run_finished"
    assert show(browser, run_id)["decision"] is None


def test_a_run_that_is_being_stopped_takes_no_decision(browser: FlaskClient, app: Flask, run_id: str) -> None:
    worker = StoryWriter(services_of(app).redis, run_id)
    worker.claim()
    worker.start()
    worker.ask()
    browser.post(f"/api/runs/{run_id}/cancel")

    assert refused(browser, run_id, 409)["code"] == "run_stopping"


def test_a_decision_while_the_worker_still_has_the_run_rings_for_nobody(
    browser: FlaskClient, app: Flask, redis_client: redis.Redis, run_id: str
) -> None:
    worker = StoryWriter(services_of(app).redis, run_id)
    worker.claim()
    worker.start()
    worker.begin_tool()
    worker.ask()

    decide(browser, run_id)

    assert rings(redis_client) == [run_id]
    assert worker.release(RunState.WAITING) == "queued"


def test_a_decision_counts_though_another_attempt_begins_meanwhile(
    browser: FlaskClient, app: Flask, run_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = StoryWriter(services_of(app).redis, run_id)
    worker.claim()
    worker.start()
    worker.ask()
    store = services_of(app).runs
    original = store.decide

    def slowly(*args: Any) -> list[str]:
        if worker.attempt == 1:
            worker.release(RunState.QUEUED)
            worker.claim()
        return original(*args)

    monkeypatch.setattr(store, "decide", slowly)
    decide(browser, run_id)

    told = last_event(browser, run_id)
    assert (told["type"], told["attempt"]) == ("approval_resolved", 2)


def test_a_call_that_asks_nobody_is_not_there(browser: FlaskClient, run_id: str, worker: StoryWriter) -> None:
    for call_id in ("a1.t2", "a1.t1:decision", "a1.t1:expires", "%F0%9F%99%82"):
        error_of(browser.get(address(run_id, call_id)), 404)
        error_of(browser.post(address(run_id, call_id), json={"decision": "approved"}), 404)
    assert show(browser, run_id)["decision"] is None


def test_nobody_sees_or_decides_what_waits_for_someone_else(
    browser: FlaskClient, stranger: FlaskClient, run_id: str, worker: StoryWriter
) -> None:
    assert error_of(stranger.get(address(run_id)), 404) == error_of(stranger.get(address("run_" + "0" * 32)), 404)
    refused(stranger, run_id, 404)
    assert show(browser, run_id)["decision"] is None


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "decision"),
        ({"decision": "expired"}, "decision"),
        ({"decision": True}, "decision"),
        ({"decision": "approved", "arguments": ["sales"]}, "arguments"),
        ({"decision": "approved", "arguments_hash": "x" * 65}, "arguments_hash"),
        ({"decision": "approved", "color": "red"}, "color"),
    ],
)
def test_a_wrong_field_is_named_and_nothing_is_decided(
    browser: FlaskClient, run_id: str, worker: StoryWriter, body: dict[str, Any], field: str
) -> None:
    error = error_of(browser.post(address(run_id), json=body), 422)

    assert error["detail"] == {"field": field}
    assert show(browser, run_id)["decision"] is None


def test_a_body_that_is_too_large_or_no_json_is_refused(browser: FlaskClient, run_id: str, worker: StoryWriter) -> None:
    large = json.dumps({"decision": "approved", "arguments": {"text": "x" * MAX_BODY_BYTES}})

    error_of(browser.post(address(run_id), data=large, content_type="application/json"), 413)
    error_of(browser.post(address(run_id), data="decision=approved"), 415)
    error_of(browser.post(address(run_id), data="{", content_type="application/json"), 400)
    assert show(browser, run_id)["decision"] is None


def test_another_site_decides_nothing(browser: FlaskClient, run_id: str, worker: StoryWriter) -> None:
    headers = {"Origin": "https://evil.example"}

    error_of(browser.post(address(run_id), json={"decision": "approved"}, headers=headers), 403)
    assert show(browser, run_id)["decision"] is None


def test_what_was_decided_stays_readable_as_long_as_the_run(
    browser: FlaskClient, redis_client: redis.Redis, run_id: str, worker: StoryWriter
) -> None:
    decide(browser, run_id)
    worker.claim()
    worker.complete()

    assert show(browser, run_id)["decision"] == "approved"
    assert redis_client.pttl(keys.approvals(run_id)) > 0
