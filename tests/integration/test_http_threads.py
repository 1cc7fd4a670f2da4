"""A user's conversations by HTTP, on a real Redis."""

from __future__ import annotations

import pytest
import redis
from flask import Flask
from flask.testing import FlaskClient

from tests.support.asking import ask, error_of
from tests.support.waiting import wait_until
from tests.support.web import StoryWriter, services_of
from worker.contract import keys


def test_threads_are_listed_by_their_last_run_newest_first(browser: FlaskClient, stranger: FlaskClient) -> None:
    first = ask(browser, "first thread")["thread_id"]
    second = ask(browser, "second thread")["thread_id"]
    ask(stranger, "not yours")
    later = browser.get(f"/api/runs/{ask(browser, 'again', thread_id=first)['run_id']}").get_json()["created_at"]

    threads = browser.get("/api/threads").get_json()["threads"]

    assert [thread["thread_id"] for thread in threads] == [first, second]
    assert [thread["title"] for thread in threads] == ["first thread", "second thread"]
    assert threads[0]["updated_at"] == later
    assert threads[0]["created_at"] <= threads[1]["created_at"] <= later


def test_a_thread_has_its_runs_oldest_first(browser: FlaskClient) -> None:
    first = ask(browser, "one")
    second = ask(browser, "two", thread_id=first["thread_id"])

    thread = browser.get(f"/api/threads/{first['thread_id']}").get_json()

    assert thread["title"] == "one"
    assert [run["run_id"] for run in thread["runs"]] == [first["run_id"], second["run_id"]]
    assert thread["runs"][0] == browser.get(f"/api/runs/{first['run_id']}").get_json()


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_someone_elses_thread_and_no_thread_are_the_same(
    browser: FlaskClient, stranger: FlaskClient, method: str
) -> None:
    theirs = ask(browser)["thread_id"]

    errors = [error_of(stranger.open(f"/api/threads/{t}", method=method), 404) for t in (theirs, "thr_" + "0" * 32)]

    assert errors[0] == errors[1]
    assert len(browser.get("/api/threads").get_json()["threads"]) == 1


def test_a_deleted_thread_is_gone_with_its_runs(browser: FlaskClient, app: Flask, redis_client: redis.Redis) -> None:
    done = ask(browser)
    worker = StoryWriter(services_of(app).redis, done["run_id"])
    worker.claim()
    worker.start()
    worker.complete()
    waiting = ask(browser, thread_id=done["thread_id"])

    response = browser.delete(f"/api/threads/{done['thread_id']}")

    assert (response.status_code, response.data) == (204, b"")
    assert browser.get("/api/threads").get_json() == {"threads": []}
    error_of(browser.get(f"/api/threads/{done['thread_id']}"), 404)
    for run in (done, waiting):
        error_of(browser.get(f"/api/runs/{run['run_id']}"), 404)
        assert not redis_client.exists(keys.run(run["run_id"]), keys.log(run["run_id"]))
    assert redis_client.zcard(keys.RUNS_LIVE) == 0


def test_a_running_run_of_a_deleted_thread_is_stopped_and_still_tells_its_end(browser: FlaskClient, app: Flask) -> None:
    run = ask(browser)
    worker = StoryWriter(services_of(app).redis, run["run_id"])
    worker.claim()
    worker.start()

    browser.delete(f"/api/threads/{run['thread_id']}")

    assert browser.get(f"/api/runs/{run['run_id']}").get_json()["stopping"]
    assert worker.complete()[0] == "ok"


def test_a_thread_lives_longer_than_its_runs(browser: FlaskClient, redis_client: redis.Redis) -> None:
    thread_id = ask(browser)["thread_id"]
    user_id = browser.get("/api/session").get_json()["user_id"]

    for key in (keys.thread(thread_id), keys.thread_runs(thread_id), keys.user_threads(user_id)):
        assert redis_client.ttl(key) > 7 * 86_400


def test_threads_that_have_aged_out_are_not_listed(browser: FlaskClient, redis_client: redis.Redis) -> None:
    old, new = ask(browser)["thread_id"], ask(browser)["thread_id"]
    user_id = browser.get("/api/session").get_json()["user_id"]
    redis_client.delete(keys.thread(old))
    redis_client.zadd(keys.user_threads(user_id), {"thr_ancient": 1})

    assert [thread["thread_id"] for thread in browser.get("/api/threads").get_json()["threads"]] == [new]
    assert redis_client.zscore(keys.user_threads(user_id), "thr_ancient") is None


def test_runs_that_have_aged_out_leave_their_thread_readable(browser: FlaskClient, redis_client: redis.Redis) -> None:
    first = ask(browser)
    second = ask(browser, thread_id=first["thread_id"])
    redis_client.pexpire(keys.run(first["run_id"]), 1)
    wait_until(lambda: not redis_client.exists(keys.run(first["run_id"])))

    thread = browser.get(f"/api/threads/{first['thread_id']}").get_json()

    assert [run["run_id"] for run in thread["runs"]] == [second["run_id"]]
