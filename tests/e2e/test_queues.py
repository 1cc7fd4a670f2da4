"""Workers of their own for some agents: a run is only worked on by a worker of its agent's queue."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.client import Client, assert_whole
from tests.support.processes import Process
from tests.support.redis import connect, new_server
from tests.support.system import System
from tests.support.waiting import wait_until
from worker.contract import keys
from worker.contract.commands import broker_queue

AGENTS = "tests.support.agents,tests.support.queue_agents"


@pytest.fixture
def system(tmp_path: Path) -> Iterator[System]:
    """One worker for the default queue and one for the heavy one, and a web process."""
    steps = tmp_path / "steps"
    settings = {"AGENTS": AGENTS, "COUNTER_FILE": str(steps), "LEASE_SECONDS": "2"}
    running = System(tmp_path, new_server(tmp_path / "redis"), settings)
    try:
        running.redis.start()
        running.start_worker(QUEUES="default")
        running.start_worker(QUEUES="heavy")
        running.start_web()
        wait_until(lambda: all("worker ready" in worker.output for worker in running.workers), 30)
        yield running
    finally:
        running.stop()


@pytest.fixture
def client(system: System) -> Iterator[Client]:
    made = Client(system.url)
    yield made
    made.close()


def ends_in(worker: Process) -> dict[str, str]:
    """How the last attempts at runs came out in a worker, by run, as its log tells."""
    lines = [json.loads(line) for line in worker.output.splitlines() if "attempt_ended" in line]
    return {line["run_id"]: line["outcome"] for line in lines}


def who_ended(run_id: str, system: System) -> Process:
    """The worker that ended a run; its log says so a moment after the run's last event."""

    def found() -> list[Process]:
        return [worker for worker in system.workers if ends_in(worker).get(run_id) == "completed"]

    [worker] = wait_until(found)
    return worker


def test_each_run_goes_to_a_worker_of_its_agents_queue(client: Client, system: System) -> None:
    default, heavy = system.workers
    quick = [client.post_run("go", agent="quick")["run_id"] for _ in range(5)]
    dug = [client.post_run("1 0.01", agent="digger")["run_id"] for _ in range(5)]

    for run_id in quick + dug:
        assert_whole(client.follow(run_id))

    assert [who_ended(run_id, system) for run_id in quick + dug] == [default] * 5 + [heavy] * 5


def test_a_run_whose_worker_is_killed_goes_on_in_another_one_of_its_queue(client: Client, system: System) -> None:
    _, heavy = system.workers
    run_id = client.post_run("8 0.3", agent="digger")["run_id"]
    client.follow(run_id, at_most=6)

    heavy.kill()
    waits = wait_until(lambda: client.run(run_id)["state"] == "queued" and client.run(run_id), 15)
    # The reaper rings in the same queue, where nobody is; the other worker must not be told.
    with connect(system.redis_url) as redis:
        wait_until(lambda: redis.llen(broker_queue("heavy")), 15, what="a ring in the queue of the run")
        assert redis.hget(keys.run(run_id), "queue") == "heavy"
    other = system.start_worker(QUEUES="heavy")
    events = client.follow(run_id)

    assert waits["attempt"] == 1
    assert_whole(events)
    assert events[-1]["type"] == "agent_completed"
    assert [event["type"] for event in events].count("run_resumed") == 1
    assert who_ended(run_id, system) is other


def test_a_run_that_a_worker_gives_back_stays_in_its_queue(client: Client, system: System) -> None:
    _, heavy = system.workers
    run_id = client.post_run("500 0.3", agent="digger")["run_id"]
    client.follow(run_id, at_most=6)
    other = system.start_worker(QUEUES="heavy")
    wait_until(lambda: "worker ready" in other.output, 30)

    heavy.terminate()
    wait_until(lambda: client.run(run_id)["attempt"] == 2 and client.run(run_id)["state"] == "running")
    client.cancel(run_id)

    assert_whole(client.follow(run_id))
    assert ends_in(heavy) == {run_id: "queued"}
    wait_until(lambda: ends_in(other) == {run_id: "cancelled"})


def test_the_next_message_of_a_thread_goes_to_the_queue_of_its_own_agent(client: Client, system: System) -> None:
    default, heavy = system.workers
    first = client.post_run("2 0.2", agent="digger")
    second = client.post_run("go", agent="quick", thread_id=first["thread_id"])
    third = client.post_run("1 0.01", agent="digger", thread_id=first["thread_id"])

    stories = [client.follow(run["run_id"]) for run in (first, second, third)]

    for story in stories:
        assert_whole(story)
        assert story[-1]["type"] == "agent_completed"
    assert [who_ended(run["run_id"], system) for run in (first, second, third)] == [heavy, default, heavy]


def test_a_worker_without_the_setting_takes_all_queues(client: Client, system: System) -> None:
    for worker in system.workers:
        worker.terminate()
    both = system.start_worker()
    runs = [client.post_run("1 0.01", agent=name)["run_id"] for name in ("digger", "quick")]

    for run_id in runs:
        assert_whole(client.follow(run_id))
        assert who_ended(run_id, system) is both


def test_a_worker_for_queues_that_no_agent_has_does_not_start(system: System) -> None:
    worker = system.start_worker(QUEUES="havy")

    assert worker.wait(30) == 1
    assert "QUEUES: no agent has the queue havy; there are default, heavy" in worker.output
