"""What is done to a process while a run goes on, and what a viewer of that run sees."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import redis

from tests.support.client import Client, assert_whole
from tests.support.system import System, running_system
from tests.support.waiting import wait_until

AGENTS = {"AGENTS": "tests.support.agents", "DRAIN_SECONDS": "1"}


@pytest.fixture
def system(tmp_path: Path) -> Iterator[System]:
    with running_system(tmp_path, AGENTS) as running:
        yield running


@pytest.fixture
def client(system: System) -> Iterator[Client]:
    made = Client(system.url)
    yield made
    made.close()


def test_a_worker_killed_in_mid_run_is_noticed_and_the_run_ends_visibly(system: System, client: Client) -> None:
    run_id = client.post_run("go", agent="waiter")["run_id"]
    client.follow(run_id, at_most=4)
    system.start_worker()

    system.workers[0].kill()
    events = client.follow(run_id)

    assert_whole(events)
    assert [event["data"]["status"] for event in events if event["type"] == "tool_completed"] == ["interrupted"]
    assert events[-1]["data"]["error"]["code"] == "worker_lost"
    assert events[-1]["attempt"] == 2


def test_a_worker_told_to_stop_lets_short_runs_end_and_ends_the_rest_visibly(system: System, client: Client) -> None:
    long = client.post_run("go", agent="waiter")["run_id"]
    client.follow(long, at_most=4)
    short = client.post_run("10", agent="counter")["run_id"]
    client.follow(short, at_most=2)

    system.worker.send(signal.SIGTERM)

    assert client.follow(short)[-1]["type"] == "agent_completed"
    events = client.follow(long)
    assert_whole(events)
    assert events[-1]["data"]["error"]["code"] == "worker_stopped"
    wait_until(lambda: not system.worker.is_running, 15, what="the worker has ended")
    assert system.worker.exit_code == 0


def test_a_worker_told_to_stop_ends_although_a_tool_never_returns(system: System, client: Client) -> None:
    run_id = client.post_run("go", agent="blocked")["run_id"]
    client.follow(run_id, at_most=2)

    system.worker.send(signal.SIGTERM)

    events = client.follow(run_id)
    assert_whole(events)
    assert [event["data"]["status"] for event in events if event["type"] == "tool_completed"] == ["interrupted"]
    wait_until(lambda: not system.worker.is_running, 15, what="the worker has ended")


def test_a_run_posted_while_no_worker_lives_is_done_by_the_next_one(system: System, client: Client) -> None:
    system.worker.stop()
    run_id = client.post_run("go", agent="quick")["run_id"]
    assert client.run(run_id)["state"] == "queued"

    system.start_worker()

    assert client.follow(run_id)[-1]["type"] == "agent_completed"


def test_a_run_whose_message_was_lost_is_rung_for_again(system: System, client: Client) -> None:
    system.worker.stop()
    run_id = client.post_run("go", agent="quick")["run_id"]
    _empty_the_queue(system)
    system.start_worker()

    events = client.follow(run_id)

    assert_whole(events)
    assert events[-1]["type"] == "agent_completed"


def test_a_web_process_that_restarts_makes_no_hole(system: System, client: Client) -> None:
    run_id = client.post_run("150", agent="counter")["run_id"]
    before = client.follow(run_id, at_most=10)
    port = system.ports[system.web.pid]

    system.web.stop()
    system.start_web(port=port)
    after = client.follow(run_id, after=before[-1]["cursor"])

    assert_whole(before + after)


def test_a_redis_that_restarts_makes_no_hole(system: System, client: Client) -> None:
    run_id = client.post_run("200", agent="counter")["run_id"]
    with ThreadPoolExecutor(1) as pool:
        watching = pool.submit(client.follow, run_id)
        client.follow(run_id, at_most=10)

        system.redis.stop()
        system.redis.start()

        events = watching.result(timeout=60)

    assert_whole(events)
    assert events[-1]["type"] == "agent_completed"


def _empty_the_queue(system: System) -> None:
    with redis.Redis.from_url(system.redis_url) as admin:
        for key in admin.keys("agent.default*"):
            admin.delete(key)
