"""The operators' API on a real Redis: what it tells, what it may do, and whom it lets in."""

from __future__ import annotations

import base64
import logging
from collections.abc import Callable
from typing import Any

import pytest
import redis
from flask import Flask
from flask.testing import FlaskClient

from tests.integration.conftest import publish_catalogue
from tests.support.asking import ask, error_of, rings
from tests.support.web import StoryWriter, reap, services_of, waiting_writer
from web.ops.views import BOARD
from worker.contract import keys
from worker.contract.clock import now_ms
from worker.contract.codec import encode
from worker.contract.events import AgentFailed, AgentFailedData, Failure
from worker.contract.run import RunState
from worker.contract.scripts import Ending
from worker.contract.worker_about import ABOUT_LIFE_MS, WorkerAbout
from worker.reaping.ending import retire

StartApp = Callable[..., Flask]

PASSWORD = "correct horse battery"
BASIC = {"Authorization": "Basic " + base64.b64encode(f"anna:{PASSWORD}".encode()).decode()}
QUESTION = "what nobody else may read"


@pytest.fixture
def app(start_app: StartApp) -> Flask:
    made = start_app(OPS_PASSWORD=PASSWORD)
    publish_catalogue(made)
    return made


@pytest.fixture
def user(app: Flask) -> FlaskClient:
    """Whose runs they are."""
    return app.test_client()


@pytest.fixture
def operator(app: Flask) -> FlaskClient:
    client = app.test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = BASIC["Authorization"]
    return client


def look(operator: FlaskClient) -> dict[str, Any]:
    """A look that shares nothing with the one before."""
    operator.application.extensions[BOARD].forget()
    return get(operator, "/api/ops")


def get(operator: FlaskClient, path: str) -> dict[str, Any]:
    response = operator.get(path)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.get_json()
    return answer


def do(operator: FlaskClient, run_id: str, action: str, **body: Any) -> dict[str, Any]:
    response = operator.post(f"/api/ops/runs/{run_id}/{action}", json=body)
    assert response.status_code == 202, response.text
    answer: dict[str, Any] = response.get_json()
    return answer


def announce(client: redis.Redis, worker_id: str, *, silent_ms: int = 0, **changed: Any) -> None:
    """Give a worker's sign of life, as it was so long ago."""
    facts = {"host": "box", "pid": 7, "version": "1.2", "since": 5, "concurrency": 8, "runs": 1, "queues": ["default"]}
    about = WorkerAbout(**{**facts, "draining": False, **changed})
    client.set(keys.worker_about(worker_id), encode(about), px=ABOUT_LIFE_MS - silent_ms)
    client.zadd(keys.WORKERS, {worker_id: now_ms() - silent_ms})


def begin(client: redis.Redis, run_id: str, *, worker_id: str = "w1", lease_ms: int = 10_000) -> StoryWriter:
    writer = StoryWriter(client, run_id, worker_id=worker_id)
    assert writer.claim(lease_ms=lease_ms) == "ok"
    writer.start()
    return writer


def fail(app: Flask, writer: StoryWriter, *, code: str = "agent_error", message: str = "It broke.") -> None:
    """End a run as its worker does."""
    error = Failure(code=code, message=message)
    event = AgentFailed(**writer.envelope(terminal=True), data=AgentFailedData(error=error))
    writer.append(event, ending=Ending(RunState.FAILED))
    leave(app, writer.run_id)


def leave(app: Flask, run_id: str) -> None:
    services = services_of(app)
    record = services.runs.find(run_id)
    assert record is not None
    services.driver.do(retire(record))


@pytest.mark.parametrize("path", ["/ops", "/ops/runs/run_1", "/api/ops", "/api/ops/hour", "/api/ops/runs/run_1"])
def test_only_operators_are_let_in(app: Flask, start_app: StartApp, path: str) -> None:
    asked = app.test_client().get(path)
    assert asked.status_code == 401
    assert asked.headers["WWW-Authenticate"].startswith("Basic")

    refused = start_app().test_client().get(path)
    assert refused.status_code == 403
    assert "OPS_PASSWORD" in refused.text


@pytest.mark.parametrize("action", ["cancel", "requeue", "again"])
def test_only_operators_may_act(user: FlaskClient, action: str) -> None:
    run_id = ask(user)["run_id"]

    error_of(user.post(f"/api/ops/runs/{run_id}/{action}", json={"attempt": 0}), 401)


def test_the_page_is_for_operators_and_keeps_out_other_sites(operator: FlaskClient) -> None:
    page = operator.get("/ops")

    assert page.status_code == 200
    assert "default-src 'self'" in page.headers["Content-Security-Policy"]
    foreign = operator.post("/api/ops/runs/run_1/cancel", headers={"Origin": "https://evil.example"})
    assert error_of(foreign, 403)["code"] == "foreign_origin"


def test_a_queued_run_and_a_running_one_are_told_without_a_word_of_theirs(
    operator: FlaskClient, user: FlaskClient, bytes_client: redis.Redis
) -> None:
    run_id = ask(user, QUESTION)["run_id"]
    other = ask(user, "another", agent="data")["run_id"]
    begin(bytes_client, run_id)
    announce(bytes_client, "w1")

    told = look(operator)
    running, queued = told["runs"]

    assert QUESTION not in str(told)
    assert (running["run_id"], running["state"], running["hold"], running["attempt"]) == (run_id, "running", "held", 1)
    assert (running["worker"], running["last_seq"], running["agent"]) == ("w1", 1, "triage")
    assert 8_000 < running["lease_left_ms"] <= 10_000
    assert (queued["run_id"], queued["state"], queued["hold"], queued["worker"]) == (other, "queued", "none", "")
    totals = told["totals"]
    assert (totals["queued"], totals["running"], totals["waiting"], totals["without_worker"]) == (1, 1, 0, 0)
    assert told["runs_total"] == 2
    [worker] = told["workers"]
    assert (worker["life"], worker["holds"], worker["about"]["host"]) == ("alive", 1, "box")
    detail = get(operator, f"/api/ops/runs/{run_id}")
    assert QUESTION not in str(detail)
    assert detail["message_chars"] == len(QUESTION)


def test_a_killed_worker_is_told_with_its_run_and_how_long_it_is_silent(
    operator: FlaskClient, user: FlaskClient, bytes_client: redis.Redis
) -> None:
    run_id = ask(user)["run_id"]
    begin(bytes_client, run_id, lease_ms=1)
    bytes_client.hset(keys.run(run_id), "renewed_at", now_ms() - 12_000)
    announce(bytes_client, "w1", silent_ms=16_000)
    announce(bytes_client, "w2")

    told = look(operator)

    [run] = told["runs"]
    assert (run["hold"], run["worker"], run["lease_left_ms"]) == ("lapsed", "w1", 0)
    assert 12_000 <= run["silent_ms"] < 14_000
    assert told["totals"]["without_worker"] == 1
    assert (told["workers_total"], told["workers_present"]) == (2, 1)
    gone, alive = told["workers"]
    assert (gone["worker_id"], gone["life"], gone["holds"]) == ("w1", "gone", 1)
    assert 16_000 <= gone["silent_ms"] < 18_000
    assert alive["life"] == "alive"


def test_a_run_that_waits_for_a_person_says_until_when(
    operator: FlaskClient, user: FlaskClient, bytes_client: redis.Redis
) -> None:
    waiting_writer(bytes_client, ask(user)["run_id"], expires_at=now_ms() + 60_000)

    [run] = look(operator)["runs"]
    assert (run["state"], run["hold"]) == ("waiting", "none")
    assert 55_000 < run["decide_ms"] <= 60_000


def test_a_failure_is_told_with_its_reason(
    app: Flask, operator: FlaskClient, user: FlaskClient, bytes_client: redis.Redis
) -> None:
    run_id = ask(user)["run_id"]
    fail(app, begin(bytes_client, run_id), code="model_auth", message="The key was refused.")

    told = look(operator)
    assert told["runs"] == []
    [failure] = told["failures"]
    assert (failure["run_id"], failure["code"], failure["attempt"]) == (run_id, "model_auth", 1)
    assert failure["message"] == "The key was refused."
    hour = get(operator, "/api/ops/hour")
    assert (hour["failed"], hour["completed"]) == (1, 0)
    assert sum(minute["failed"] for minute in hour["minutes"]) == 1


def test_a_failure_of_a_deleted_thread_is_forgotten(
    app: Flask, operator: FlaskClient, user: FlaskClient, bytes_client: redis.Redis
) -> None:
    asked = ask(user)
    fail(app, begin(bytes_client, asked["run_id"]))
    assert user.delete(f"/api/threads/{asked['thread_id']}").status_code == 204

    told = look(operator)
    assert (told["failures"], told["failures_total"]) == ([], 0)


def test_every_way_to_end_is_counted_once(
    app: Flask, operator: FlaskClient, user: FlaskClient, bytes_client: redis.Redis
) -> None:
    completed, cancelled, reaped = (ask(user)["run_id"] for _ in range(3))
    begin(bytes_client, completed).complete()
    for _ in range(2):
        leave(app, completed)
    user.post(f"/api/runs/{cancelled}/cancel")
    reap(app, queue_timeout_ms=-1)

    hour = get(operator, "/api/ops/hour")
    assert (hour["completed"], hour["failed"], hour["cancelled"]) == (1, 1, 1)
    assert [failure["run_id"] for failure in look(operator)["failures"]] == [reaped]


def test_the_list_is_cut_and_its_length_told(
    operator: FlaskClient, user: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("web.ops.board.MAX_RUNS", 2)
    for _ in range(5):
        ask(user)

    told = look(operator)
    assert (len(told["runs"]), told["runs_total"], told["totals"]["queued"]) == (2, 5, 5)


def test_many_operators_share_one_look(operator: FlaskClient, user: FlaskClient) -> None:
    ask(user)
    first = look(operator)
    ask(user)

    assert get(operator, "/api/ops") == first


def test_an_operator_stops_a_run_and_its_owner_reads_who_did(
    operator: FlaskClient, user: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    run_id = ask(user)["run_id"]
    with caplog.at_level(logging.INFO, logger="web.ops.actions"):
        assert do(operator, run_id, "cancel") == {"run_id": run_id, "state": "cancelled", "stopping": False}

    events = user.get(f"/api/runs/{run_id}/events").get_json()["events"]
    assert (events[-1]["type"], events[-1]["data"]["by"]) == ("agent_cancelled", "operator")
    [line] = [record.__dict__ for record in caplog.records if record.__dict__.get("action") == "ops_cancel"]
    assert (line["operator"], line["run_id"]) == ("anna", run_id)
    assert error_of(operator.post(f"/api/ops/runs/{run_id}/cancel"), 409)["code"] == "run_finished"


def test_a_run_is_taken_from_its_worker_and_another_one_goes_on(
    operator: FlaskClient, user: FlaskClient, bytes_client: redis.Redis, redis_client: redis.Redis
) -> None:
    run_id = ask(user)["run_id"]
    hanging = begin(bytes_client, run_id)
    announce(bytes_client, "w1")
    announce(bytes_client, "w2")

    assert do(operator, run_id, "requeue", attempt=1) == {"run_id": run_id, "state": "queued", "attempt": 1}

    assert rings(redis_client) == [run_id, run_id]
    assert hanging.renew() == ["lost"]
    assert hanging.think()[0] == "finished"
    assert hanging.claim() == "shunned"
    other = StoryWriter(bytes_client, run_id, worker_id="w2")
    assert other.claim() == "ok"
    assert other.attempt == 2
    assert hanging.think()[0] == "stale"
    [run] = look(operator)["runs"]
    assert (run["attempt"], run["losses"], run["worker"]) == (2, 0, "w2")


def test_a_worker_that_is_alone_gets_its_run_back(
    operator: FlaskClient, user: FlaskClient, bytes_client: redis.Redis
) -> None:
    run_id = ask(user)["run_id"]
    hanging = begin(bytes_client, run_id)
    announce(bytes_client, "w1")
    announce(bytes_client, "w2", silent_ms=20_000)

    do(operator, run_id, "requeue", attempt=1)

    assert hanging.claim() == "ok"


def test_what_no_worker_has_cannot_be_taken_from_one(
    operator: FlaskClient, user: FlaskClient, bytes_client: redis.Redis
) -> None:
    queued, waiting, moved = (ask(user, agent="data")["run_id"] for _ in range(3))
    waiting_writer(bytes_client, waiting)
    begin(bytes_client, moved)

    def refused(run_id: str, attempt: int) -> dict[str, Any]:
        return error_of(operator.post(f"/api/ops/runs/{run_id}/requeue", json={"attempt": attempt}), 409)

    assert refused(queued, 0)["code"] == "not_running"
    assert refused(waiting, 1)["code"] == "not_running"
    assert refused(moved, 2)["code"] == "attempt_moved"
    error_of(operator.post("/api/ops/runs/run_unknown/requeue", json={"attempt": 1}), 404)
    error_of(operator.post(f"/api/ops/runs/{moved}/requeue", json={}), 422)


def test_a_failed_run_is_run_again_for_its_owner_once(
    app: Flask, operator: FlaskClient, user: FlaskClient, bytes_client: redis.Redis
) -> None:
    asked = ask(user, QUESTION, agent="data")
    fail(app, begin(bytes_client, asked["run_id"]))

    again = do(operator, asked["run_id"], "again")

    assert do(operator, asked["run_id"], "again") == again
    assert again["thread_id"] == asked["thread_id"]
    run = user.get(f"/api/runs/{again['run_id']}").get_json()
    assert (run["message"], run["agent"], run["state"]) == (QUESTION, "data", "queued")
    assert QUESTION not in str(again)
    refused = operator.post(f"/api/ops/runs/{again['run_id']}/again")
    assert error_of(refused, 409)["code"] == "not_failed"


def test_a_failed_run_of_a_user_with_too_many_is_refused_in_words(
    start_app: StartApp, bytes_client: redis.Redis
) -> None:
    app = start_app(OPS_PASSWORD=PASSWORD, MAX_RUNS_PER_USER="1")
    publish_catalogue(app)
    user, operator = app.test_client(), app.test_client()
    failed = ask(user)["run_id"]
    fail(app, begin(bytes_client, failed))
    ask(user)

    error = error_of(operator.post(f"/api/ops/runs/{failed}/again", headers=BASIC), 409)
    assert (error["code"], error["message"]) == ("too_many_runs", "Its owner has too many unfinished runs.")


def test_a_run_s_story_is_told_by_kinds_and_times(
    operator: FlaskClient, user: FlaskClient, bytes_client: redis.Redis
) -> None:
    run_id = ask(user, QUESTION)["run_id"]
    writer = begin(bytes_client, run_id)
    for _ in range(3):
        writer.think("my secret thought")
    writer.begin_tool(tool_name="list_tables")
    announce(bytes_client, "w1")

    told = get(operator, f"/api/ops/runs/{run_id}")

    steps = [(step["type"], step["count"], step["tool"]) for step in told["steps"]]
    assert steps == [("agent_started", 1, ""), ("agent_thinking", 3, ""), ("tool_executing", 1, "list_tables")]
    assert told["attempts"] == [
        {"number": 1, "first_at": told["steps"][0]["at"], "last_at": told["steps"][-1]["at"], "events": 5}
    ]
    assert "secret" not in str(told)
    assert told["worker"]["about"]["pid"] == 7
    assert told["run"]["last_seq"] == 5
