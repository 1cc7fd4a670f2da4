"""What a bad request gets, and what everyone gets while a part of the system is away."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import logging
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
import redis
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.support.asking import ask, error_of, send_file
from tests.support.redis import RedisServer, free_port, running_server
from tests.support.web import WebApps, services_of
from web.doorbell import Doorbell
from web.services import EXTENSION
from worker.contract import keys

StartApp = Callable[..., Flask]


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/api/nothing", 404, "not_found"),
        ("GET", "/api/runs/a/b/c", 404, "not_found"),
        ("PUT", "/api/runs", 405, "method_not_allowed"),
        ("DELETE", "/api/runs/run_1", 405, "method_not_allowed"),
        ("POST", "/api/runs", 415, "unsupported_type"),
    ],
)
def test_refusals_of_the_framework_have_the_same_shape(
    browser: FlaskClient, method: str, path: str, status: int, code: str
) -> None:
    assert error_of(browser.open(path, method=method), status)["code"] == code


def test_a_refused_method_names_those_that_are_allowed(browser: FlaskClient) -> None:
    assert browser.put("/api/runs").headers["Allow"] == "OPTIONS, POST"


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"{'message': 'hi'}", b'{"message": "hi"'])
def test_a_body_that_is_not_json_is_refused(browser: FlaskClient, body: bytes) -> None:
    response = browser.post("/api/runs", data=body, content_type="application/json")

    assert error_of(response, 400)["code"] == "malformed_json"


def test_a_huge_body_is_refused(browser: FlaskClient) -> None:
    response = browser.post("/api/runs", data=b'{"message":"' + b"x" * 3_000_000, content_type="application/json")

    error = error_of(response, 413)
    assert error["code"] == "too_large"
    assert f"{error['detail']['limit_bytes']:,}" in error["message"]


def test_an_error_outside_the_api_is_for_people(browser: FlaskClient) -> None:
    response = browser.get("/nothing")

    assert (response.status_code, response.mimetype) == (404, "text/plain")


def test_a_fault_of_ours_says_nothing_but_an_id_that_is_in_the_log(
    browser: FlaskClient, redis_client: redis.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    redis_client.set(keys.run("run_1"), "not a hash")

    with caplog.at_level(logging.ERROR):
        error = error_of(browser.get("/api/runs/run_1"), 500)

    assert error["code"] == "internal_error"
    assert "WRONGTYPE" not in json.dumps(error)
    record = next(record for record in caplog.records if record.message == "request failed")
    assert vars(record)["error_id"] == error["detail"]["error_id"]
    assert record.exc_info


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost:81"])
def test_a_foreign_page_changes_nothing(browser: FlaskClient, redis_client: redis.Redis, origin: str) -> None:
    headers = {"Origin": origin}
    refused = [
        browser.post("/api/runs", json={"message": "hi"}, headers=headers),
        browser.post("/api/files", data={}, headers=headers),
        browser.delete("/api/threads/thr_1", headers=headers),
    ]

    assert [error_of(response, 403)["code"] for response in refused] == ["foreign_origin"] * 3
    assert redis_client.keys() == [keys.CATALOGUE]


def test_our_own_page_and_programs_may(start_app: StartApp) -> None:
    browser = start_app(WEB_ORIGINS="https://chat.example").test_client()

    for headers in ({"Origin": "http://localhost"}, {"Origin": "https://chat.example"}, {}):
        response = browser.post("/api/runs", json={"message": "hi", "agent": "data"}, headers=headers)
        assert response.status_code == 202, response.text


def test_a_foreign_page_that_hides_its_origin_is_refused(browser: FlaskClient) -> None:
    headers = {"Sec-Fetch-Site": "cross-site"}

    assert error_of(browser.post("/api/runs", json={"message": "hi"}, headers=headers), 403)["code"] == "foreign_origin"


def test_behind_a_proxy_the_public_name_is_our_own(browser: FlaskClient) -> None:
    headers = {"X-Forwarded-Host": "chat.example", "X-Forwarded-Proto": "https", "Origin": "https://chat.example"}

    assert browser.post("/api/runs", json={"message": "hi"}, headers=headers).status_code == 202


def test_every_answer_keeps_the_browser_on_a_short_lead(browser: FlaskClient) -> None:
    for path in ("/api/agents", "/api/nothing", "/healthz", "/static/js/contract.js"):
        headers = browser.get(path, buffered=True).headers
        assert "default-src 'self'" in headers["Content-Security-Policy"]
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "same-origin"


def test_answers_are_not_kept_and_static_files_are_asked_for_again(browser: FlaskClient) -> None:
    assert browser.get("/api/agents").headers["Cache-Control"] == "no-store"

    first = browser.get("/static/js/contract.js", buffered=True)
    unchanged = {"If-None-Match": first.headers["ETag"]}
    second = browser.get("/static/js/contract.js", headers=unchanged, buffered=True)

    assert first.headers["Cache-Control"] == "no-cache"
    assert "Set-Cookie" not in first.headers
    assert second.status_code == 304


def test_while_no_worker_can_be_told_the_message_is_kept_and_a_retry_completes_it(
    browser: FlaskClient, app: Flask, redis_client: redis.Redis
) -> None:
    working = services_of(app)
    broken = Doorbell(f"redis://127.0.0.1:{free_port()}/0")
    app.extensions[EXTENSION] = dataclasses.replace(working, doorbell=broken)
    message = {"message": "hi", "idempotency_key": "k1"}

    response = browser.post("/api/runs", json=message)

    error = error_of(response, 503)
    assert error["code"] == "queue_unavailable"
    assert error["detail"]["retryable"]
    assert response.headers["Retry-After"]
    assert redis_client.zrange(keys.RUNS_LIVE, 0, -1) == [error["detail"]["run_id"]]

    app.extensions[EXTENSION] = working
    assert ask(browser, "hi", idempotency_key="k1")["run_id"] == error["detail"]["run_id"]
    broken.close()


@contextlib.contextmanager
def stopped(server: RedisServer) -> Iterator[None]:
    """The server is killed, and comes back with its data."""
    server.kill()
    yield
    server.start()


@contextlib.contextmanager
def frozen(server: RedisServer) -> Iterator[None]:
    """The server accepts connections and answers nothing."""
    os.kill(server.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(server.pid, signal.SIGCONT)


@pytest.mark.parametrize("away", [stopped, frozen])
def test_while_redis_is_away_everyone_is_told_within_three_seconds(
    tmp_path: Path, away: Callable[[RedisServer], AbstractContextManager[None]]
) -> None:
    with running_server(tmp_path) as server, WebApps(server.url) as apps:
        browser = apps.start().test_client()
        ask(browser, agent="data")
        with away(server):
            calls: list[Callable[[], TestResponse]] = [
                lambda: browser.post("/api/runs", json={"message": "hi", "agent": "data"}),
                lambda: browser.get("/api/threads"),
                lambda: send_file(browser, "a.txt", b"hello"),
            ]
            for call in calls:
                began_at = time.monotonic()
                error = error_of(call(), 503)
                assert time.monotonic() - began_at < 3
                assert (error["code"], error["detail"]) == ("store_unavailable", {"retryable": True})
            assert browser.get("/readyz").status_code == 503
            assert browser.get("/healthz").status_code == 200
        assert ask(browser, agent="data")["state"] == "queued"
