"""What is done to a process while a run goes on, and what a viewer of that run sees."""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import redis

from tests.support.client import Client, assert_whole
from tests.support.system import System, running_system
from tests.support.waiting import wait_until

Event = dict[str, Any]


@pytest.fixture
def system(tmp_path: Path) -> Iterator[System]:
    settings = {
        "AGENTS": "tests.support.agents",
        "COUNTER_FILE": str(tmp_path / "counter"),
        "DRAIN_SECONDS": "2",
        "LEASE_SECONDS": "3",
    }
    with running_system(tmp_path, settings) as running:
        yield running


@pytest.fixture
def client(system: System) -> Iterator[Client]:
    made = Client(system.url)
    yield made
    made.close()


def counted(system: System) -> Counter[str]:
    """How often each step of each run was taken."""
    return Counter(Path(system.settings["COUNTER_FILE"]).read_text().splitlines())


def statuses(events: list[Event]) -> list[str]:
    return [event["data"]["status"] for event in events if event["type"] == "tool_completed"]


def resumed(events: list[Event]) -> list[int]:
    return [event["attempt"] for event in events if event["type"] == "run_resumed"]


def test_a_killed_worker_s_run_goes_on_in_another_one_without_repeating_its_steps(
    system: System, client: Client
) -> None:
    run_id = client.post_run("6 0.3", agent="walker")["run_id"]
    client.follow(run_id, at_most=8)
    system.start_worker()

    system.workers[0].kill()
    killed_at = time.time()
    events = client.follow(run_id)

    assert_whole(events)
    assert events[-1]["type"] == "agent_completed"
    assert resumed(events) == [2]
    [told_at] = [event["at"] / 1000 for event in events if event["type"] == "run_resumed"]
    assert told_at - killed_at < 15
    assert set(counted(system).values()) == {1}
    assert Counter(statuses(events)) <= Counter({"ok": 6, "interrupted": 1})


def test_the_only_worker_is_killed_and_restarted_and_the_run_goes_on(system: System, client: Client) -> None:
    run_id = client.post_run("6 0.3", agent="walker")["run_id"]
    client.follow(run_id, at_most=8)

    system.worker.kill()
    system.start_worker()
    events = client.follow(run_id)

    assert_whole(events)
    assert events[-1]["type"] == "agent_completed"
    assert set(counted(system).values()) == {1}


def test_a_worker_frozen_beyond_its_lease_writes_nothing_when_it_wakes(system: System, client: Client) -> None:
    run_id = client.post_run("12 0.3", agent="walker")["run_id"]
    client.follow(run_id, at_most=8)
    frozen = system.workers[0]
    system.start_worker()

    frozen.send(signal.SIGSTOP)
    wait_until(lambda: client.run(run_id)["attempt"] == 2, 15, what="another worker has the run")
    frozen.send(signal.SIGCONT)
    events = client.follow(run_id)

    assert_whole(events)
    attempts = [event["attempt"] for event in events]
    assert attempts == sorted(attempts)
    assert set(counted(system).values()) == {1}


def test_a_run_that_loses_its_worker_again_and_again_ends_visibly(system: System, client: Client) -> None:
    run_id = client.post_run("100 0.2", agent="walker")["run_id"]
    for attempt in (1, 2, 3):
        wait_until(lambda n=attempt: client.run(run_id)["attempt"] == n, 20, what=f"attempt {attempt} has begun")  # type: ignore[misc]
        system.worker.kill()
        if attempt < 3:
            system.start_worker()

    events = client.follow(run_id)

    assert_whole(events)
    assert events[-1]["data"]["error"]["code"] == "worker_lost"
    assert set(counted(system).values()) == {1}


def test_a_worker_told_to_stop_hands_its_runs_over_between_two_steps(system: System, client: Client) -> None:
    run_ids = [client.post_run("8 0.3", agent="walker")["run_id"] for _ in range(5)]
    for run_id in run_ids:
        client.follow(run_id, at_most=3)
    system.start_worker()

    system.workers[0].send(signal.SIGTERM)

    for run_id in run_ids:
        events = client.follow(run_id)
        assert_whole(events)
        assert events[-1]["type"] == "agent_completed"
        assert statuses(events) == ["ok"] * 8
    assert system.workers[0].wait(15) == 0
    assert set(counted(system).values()) == {1}


def test_a_worker_told_to_stop_ends_although_a_tool_never_returns(system: System, client: Client) -> None:
    run_id = client.post_run("go", agent="blocked")["run_id"]
    client.follow(run_id, at_most=2)
    system.start_worker()

    system.workers[0].send(signal.SIGTERM)

    events = client.follow(run_id)
    assert_whole(events)
    assert statuses(events) == ["interrupted"]
    wait_until(lambda: not system.workers[0].is_running, 15, what="the worker has ended")


def test_a_stop_reaches_a_run_whose_worker_is_dead(system: System, client: Client) -> None:
    run_id = client.post_run("go", agent="waiter")["run_id"]
    client.follow(run_id, at_most=4)
    system.worker.kill()

    client.cancel(run_id)
    events = client.follow(run_id)

    assert_whole(events)
    assert events[-1]["type"] == "agent_cancelled"
    assert statuses(events) == ["cancelled"]
    system.start_worker()
    assert client.run(run_id)["state"] == "cancelled"


def test_an_approval_waits_across_a_restart_of_everything(system: System, client: Client) -> None:
    run_id = client.post_run("report.txt", agent="shredder")["run_id"]
    wait_until(lambda: client.run(run_id)["state"] == "waiting", what="the run waits for a person")
    port = system.ports[system.web.pid]

    system.worker.stop()
    system.web.stop()
    system.redis.stop()
    system.redis.start()
    system.start_worker()
    system.start_web(port=port)
    call_id = next(e["data"]["call_id"] for e in client.follow(run_id, at_most=4) if e["type"] == "approval_requested")
    answer = client.http.post(f"/api/runs/{run_id}/approvals/{call_id}", json={"decision": "approved"})

    assert answer.status_code == 200, answer.text
    events = client.follow(run_id)
    assert_whole(events)
    assert events[-1]["data"]["result"] == "Done: report.txt is in shreds."


def test_a_run_posted_while_no_worker_lives_says_that_it_waits_and_is_done_by_the_next_one(
    system: System, client: Client
) -> None:
    system.worker.stop()
    run_id = client.post_run("go", agent="quick")["run_id"]
    assert client.run(run_id)["state"] == "queued"
    told = client.follow(run_id, at_most=2)
    assert told[-1]["data"]["text"] == "Waiting for a worker."

    system.start_worker()

    events = client.follow(run_id)
    assert_whole(events)
    assert events[-1]["type"] == "agent_completed"


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
    assert resumed(events) == []


def _empty_the_queue(system: System) -> None:
    with redis.Redis.from_url(system.redis_url) as admin:
        for key in admin.keys("agent.default*"):
            admin.delete(key)
