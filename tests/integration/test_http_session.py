"""Who one is by HTTP, and whether the process can serve."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import pytest
import redis
from flask import Flask, Request
from flask.testing import FlaskClient

from tests.support.asking import ask, error_of
from web.identity.cookie import COOKIE
from web.identity.user import user_id_of
from worker.contract import keys

StartApp = Callable[..., Flask]
SIGN_IN = "tests.integration.test_http_session:team_sign_in"


def team_sign_in(request: Request) -> str | None:
    """A team's own sign-in: a header that its proxy sets."""
    return request.headers.get("X-Team-User")


def test_the_first_answer_makes_an_anonymous_user_who_stays_the_same(browser: FlaskClient) -> None:
    first = browser.get("/api/session")
    second = browser.get("/api/session")

    assert first.get_json() == second.get_json()
    assert first.get_json()["anonymous"]
    assert "Set-Cookie" in first.headers
    assert "Set-Cookie" not in second.headers


def test_a_program_without_a_cookie_gets_one_with_its_run(browser: FlaskClient) -> None:
    run_id = ask(browser)["run_id"]

    assert browser.get_cookie(COOKIE)
    assert browser.get(f"/api/runs/{run_id}").status_code == 200


def test_scripts_and_foreign_pages_do_not_get_at_the_cookie(browser: FlaskClient, stranger: FlaskClient) -> None:
    plain = browser.get("/api/session").headers["Set-Cookie"]
    secure = stranger.get("/api/session", headers={"X-Forwarded-Proto": "https"}).headers["Set-Cookie"]

    for cookie in (plain, secure):
        assert "HttpOnly" in cookie
        assert "SameSite=Lax" in cookie
    assert "Secure" not in plain
    assert "Secure" in secure


def test_probes_make_no_users(browser: FlaskClient) -> None:
    for path in ("/healthz", "/readyz"):
        assert "Set-Cookie" not in browser.get(path).headers


def test_a_changed_cookie_makes_a_new_user(browser: FlaskClient) -> None:
    run_id = ask(browser)["run_id"]
    cookie = browser.get_cookie(COOKIE)
    assert cookie is not None
    middle = len(cookie.value) // 2
    other = "a" if cookie.value[middle] != "a" else "b"
    browser.set_cookie(COOKIE, cookie.value[:middle] + other + cookie.value[middle + 1 :])

    error_of(browser.get(f"/api/runs/{run_id}"), 404)


def test_a_teams_own_sign_in_names_the_user(start_app: StartApp) -> None:
    browser = start_app(IDENTITY=SIGN_IN).test_client()

    response = browser.get("/api/session", headers={"X-Team-User": "anna@example.com"})

    assert response.get_json()["user_id"] == user_id_of("anna@example.com")
    assert response.get_json()["anonymous"] is False
    assert response.get_json()["name"] == "anna@example.com"
    assert "Set-Cookie" not in response.headers


@pytest.mark.parametrize("path", ["/api/session", "/api/runs/run_1", "/api/threads", "/api/files"])
def test_who_is_not_signed_in_sees_nothing(start_app: StartApp, path: str) -> None:
    browser = start_app(IDENTITY=SIGN_IN).test_client()

    assert error_of(browser.get(path), 401)["code"] == "unauthenticated"


def test_nobody_can_start_a_run_without_signing_in(start_app: StartApp, redis_client: redis.Redis) -> None:
    browser = start_app(IDENTITY=SIGN_IN).test_client()

    error_of(browser.post("/api/runs", json={"message": "hi", "agent": "data"}), 401)

    assert redis_client.dbsize() == 0


def test_the_process_is_ready_when_a_worker_has_been_seen(browser: FlaskClient, redis_client: redis.Redis) -> None:
    now = int(time.time() * 1000)
    redis_client.zadd(keys.WORKERS, {"w1": now - 16_000})

    unready = browser.get("/readyz")
    redis_client.zadd(keys.WORKERS, {"w2": now})
    ready = browser.get("/readyz")

    assert (unready.status_code, unready.get_json()["reasons"]) == (503, ["No worker has been seen for 15 s."])
    assert (ready.status_code, ready.get_json()) == (200, {"status": "ready", "reasons": []})
    assert browser.get("/healthz").get_json() == {"status": "ok"}


def test_one_line_is_logged_per_request_and_no_message_in_it(
    browser: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO"):
        run_id = ask(browser, "my secret plan")["run_id"]
        browser.get(f"/api/runs/{run_id}")
        browser.get("/healthz")

    lines = [vars(record) for record in caplog.records if record.name == "web.http.logs"]
    assert [(line["method"], line["route"], line["status"]) for line in lines] == [
        ("POST", "/api/runs", 202),
        ("GET", "/api/runs/<run_id>", 200),
    ]
    assert lines[1]["run_id"] == run_id
    assert "my secret plan" not in str(lines)


def test_metrics_tell_of_runs_workers_and_viewers(browser: FlaskClient, redis_client: redis.Redis) -> None:
    now = int(time.time() * 1000)
    redis_client.zadd(keys.RUNS_LIVE, {"run_a": now - 5000, "run_b": now})
    redis_client.zadd(keys.WORKERS, {"wrk_a": now, "wrk_dead": 1})

    text = browser.get("/metrics").text

    assert "outloud_workers 1.0" in text
    assert re.search(r'^outloud_viewers\{kind="socket",process="web_[0-9a-f]+"\} 0.0$', text, re.MULTILINE)
    assert "outloud_redis_up 1.0" in text
    [age] = re.findall(r"^outloud_oldest_unfinished_run_seconds ([\d.]+)", text, re.MULTILINE)
    assert 5 <= float(age) < 60
