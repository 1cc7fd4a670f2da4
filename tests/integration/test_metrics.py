"""The answer of `/metrics`: what Redis says of the runs, and of processes that live, end, or are of another version."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from flask import Flask
from flask.testing import FlaskClient

from tests.support.figures import Figures
from tests.support.redis import new_server
from tests.support.system import SECRET_KEY
from tests.support.web import WebApps
from web.app import create_app
from worker.contract import keys
from worker.contract.meters import LIVE_SECONDS, Meters, publish
from worker.contract.metrics import RUNS_ENDED, RUNS_RUNNING, TOOL_SECONDS

TOKEN = "a token of sixteen or more"


@pytest.fixture
def app(redis_url: str) -> Iterator[Flask]:
    with WebApps(redis_url) as apps:
        yield apps.start()


@pytest.fixture
def browser(app: Flask) -> FlaskClient:
    return app.test_client()


def ask(browser: FlaskClient) -> Figures:
    """Look anew, as who asks every few seconds does."""
    browser.application.extensions["metrics"].forget()
    answer = browser.get("/metrics")
    assert answer.status_code == 200
    return Figures(answer.text)


def server_ms(client: redis.Redis) -> int:
    seconds, microseconds = client.time()
    return int(seconds) * 1000 + int(microseconds) // 1000


def put_run(client: redis.Redis, run_id: str, state: str, *, age_ms: int = 0, **fields: object) -> None:
    """A record as the scripts leave it."""
    now = server_ms(client)
    record = {
        "thread_id": "thr_1",
        "user_id": "usr_1",
        "agent": "triage",
        "message": "hello",
        "state": state,
        "created_at": now - age_ms,
        "queued_at": now - age_ms,
        **fields,
    }
    client.hset(keys.run(run_id), mapping={name: str(value) for name, value in record.items()})
    client.zadd(keys.RUNS_LIVE, {run_id: now - age_ms})


def put_process(client: redis.Redis, process: str, meters: Meters) -> None:
    for command in publish(process, meters.snapshot()):
        client.execute_command(*command)  # type: ignore[no-untyped-call]


def test_runs_are_counted_by_state_and_queue(browser: FlaskClient, redis_client: redis.Redis) -> None:
    put_run(redis_client, "run_a", "queued", age_ms=9_000, queue="slow")
    put_run(redis_client, "run_b", "queued", age_ms=2_000)
    put_run(redis_client, "run_c", "waiting", attempt=1)
    put_run(redis_client, "run_d", "completed")

    figures = ask(browser)

    assert figures.value("outloud_runs_unfinished", state="queued", queue="slow") == 1
    assert figures.value("outloud_runs_unfinished", state="queued", queue="default") == 1
    assert figures.value("outloud_runs_unfinished", state="waiting") == 1
    assert figures.value("outloud_runs_unfinished") == 3
    assert 9 <= figures.value("outloud_queue_age_seconds", queue="slow") < 30
    assert 2 <= figures.value("outloud_queue_age_seconds", queue="default") < 9
    assert 9 <= figures.value("outloud_oldest_unfinished_run_seconds") < 30
    assert figures.value("outloud_runs_without_worker") == 0


def test_a_run_that_may_not_be_taken_yet_does_not_wait_for_a_worker(
    browser: FlaskClient, redis_client: redis.Redis
) -> None:
    now = server_ms(redis_client)
    put_run(redis_client, "run_a", "queued", age_ms=60_000, queue="slow", ready_at=now - 5_000)
    put_run(redis_client, "run_b", "queued", age_ms=60_000, ready_at=now + 60_000)

    figures = ask(browser)

    assert 5 <= figures.value("outloud_queue_age_seconds", queue="slow") < 30
    assert figures.value("outloud_queue_age_seconds", queue="default") == 0


def test_a_run_whose_worker_is_silent_is_told_of_before_and_after_its_lease_has_lapsed(
    browser: FlaskClient, redis_client: redis.Redis
) -> None:
    now = server_ms(redis_client)
    put_run(
        redis_client, "run_a", "running", attempt=1, lease_until=now + 60_000, written_at=now - 50_000,
        renewed_at=now - 7_000,
    )  # fmt: skip
    silent = ask(browser)
    redis_client.hset(keys.run("run_a"), "lease_until", now - 1)
    lapsed = ask(browser)

    assert 7 <= silent.value("outloud_longest_silence_seconds") < 30
    assert silent.value("outloud_runs_without_worker") == 0
    assert lapsed.value("outloud_runs_without_worker") == 1


def test_a_run_that_is_back_in_the_queue_is_still_without_a_worker(
    browser: FlaskClient, redis_client: redis.Redis
) -> None:
    now = server_ms(redis_client)
    put_run(redis_client, "run_a", "queued", attempt=1, renewed_at=now - 12_000, resume_reason="It was lost.")
    put_run(redis_client, "run_b", "queued", attempt=1, renewed_at=now - 3_600_000)

    figures = ask(browser)

    # The second has waited for a person: it begins its next attempt, and nobody has left it.
    assert figures.value("outloud_runs_without_worker") == 1
    assert 12 <= figures.value("outloud_longest_silence_seconds") < 60


def test_a_queue_that_is_too_long_is_told_as_cut(browser: FlaskClient, redis_client: redis.Redis) -> None:
    redis_client.zadd(keys.RUNS_LIVE, {f"run_{number}": number for number in range(1_200)})

    assert ask(browser).value("outloud_runs_unread") == 200


def test_a_process_that_gives_no_sign_is_told_of_by_what_it_did_alone(
    browser: FlaskClient, redis_client: redis.Redis
) -> None:
    meters = Meters()
    meters.count(RUNS_ENDED, "triage", "completed", by=5)
    meters.before_reading(lambda: meters.set(RUNS_RUNNING, 3))
    put_process(redis_client, "wrk_a", meters)
    live = ask(browser)
    kept_ms = redis_client.pttl(keys.figures("wrk_a"))
    redis_client.pexpire(keys.figures("wrk_a"), int(str(kept_ms)) - round(LIVE_SECONDS * 1000))
    silent = ask(browser)
    redis_client.delete(keys.figures("wrk_a"))
    gone = ask(browser)

    assert live.value("outloud_worker_runs", process="wrk_a") == 3
    assert (live.value("outloud_processes", kind="worker"), silent.value("outloud_processes", kind="worker")) == (1, 0)
    assert silent.label("outloud_worker_runs", "process") == set()
    assert silent.value("outloud_runs_ended_total", process="wrk_a") == 5
    assert gone.value("outloud_runs_ended_total", process="wrk_a") == 0
    assert not redis_client.sismember(keys.PROCESSES, "wrk_a")


def test_figures_of_another_version_are_read_as_far_as_they_are_known(
    browser: FlaskClient, redis_client: redis.Redis
) -> None:
    meters = Meters()
    meters.observe(TOOL_SECONDS, 1.0, "add")
    newer = meters.snapshot()
    newer.counters["outloud_new"] = [(("x",), 1.0)]
    newer.counters["outloud_runs_ended"] = [(("one label",), 1.0)]
    newer.histograms["outloud_tool_duration_seconds"][0][1].counts.append(1)
    for command in publish("wrk_new", newer):
        redis_client.execute_command(*command)  # type: ignore[no-untyped-call]
    redis_client.sadd(keys.PROCESSES, "wrk_odd")
    redis_client.set(keys.figures("wrk_odd"), "no figures", px=120_000)

    figures = ask(browser)

    assert "outloud_new" not in figures.names
    assert figures.value("outloud_runs_ended_total", process="wrk_new") == 0
    assert figures.value("outloud_tool_duration_seconds_count", process="wrk_new") == 0
    assert figures.value("outloud_process_cpu_seconds_total", process="wrk_new") > 0


def test_while_redis_is_away_a_process_tells_of_itself(tmp_path: Path) -> None:
    server = new_server(tmp_path)
    with WebApps(server.url) as apps:
        browser = apps.start().test_client()
        browser.get("/healthz")
        figures = ask(browser)

    assert figures.value("outloud_redis_up") == 0
    assert figures.value("outloud_http_requests_total", route="/healthz") == 1


def test_who_has_the_token_reads_and_nobody_else(redis_url: str) -> None:
    with WebApps(redis_url) as apps:
        browser = apps.start(METRICS_TOKEN=TOKEN).test_client()
        answers = [
            browser.get("/metrics", headers={"Authorization": value} if value else {}).status_code
            for value in ("", "Bearer", f"Bearer {TOKEN}x", f"Basic {TOKEN}", "Bearer ü", f"Bearer {TOKEN}")
        ]

    assert answers == [401, 401, 401, 401, 401, 200]


def test_a_token_that_can_be_guessed_is_refused_at_start() -> None:
    with pytest.raises(Exception, match="METRICS_TOKEN has 5 characters"):
        create_app({"REDIS_URL": "redis://127.0.0.1:1", "SECRET_KEY": SECRET_KEY, "METRICS_TOKEN": "12345"})


def test_one_look_at_a_long_queue_takes_no_time(browser: FlaskClient, redis_client: redis.Redis) -> None:
    for number in range(1_000):
        put_run(redis_client, f"run_{number}", "queued")
    began_at = time.perf_counter()

    assert ask(browser).value("outloud_runs_unfinished", state="queued") == 1_000
    assert time.perf_counter() - began_at < 2


def test_all_who_ask_in_one_second_share_a_look(browser: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[None] = []
    monkeypatch.setattr("web.metrics.read_system", lambda *_: looks.append(None))

    for _ in range(20):
        assert browser.get("/metrics").status_code == 200

    assert 1 <= len(looks) < 10
