"""What operators are told and can do, on real processes: above all, the truth about a worker that was killed."""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import SystemFactory
from tests.support.client import Client, assert_whole
from tests.support.operators import PASSWORD, Operator
from tests.support.system import System
from tests.support.waiting import wait_until


@pytest.fixture
def counter_file(tmp_path: Path) -> Path:
    return tmp_path / "counter"


@pytest.fixture
def system(start_system: SystemFactory, counter_file: Path) -> System:
    """Two workers and two web processes."""
    settings = {"AGENTS": "tests.support.agents", "OPS_PASSWORD": PASSWORD, "COUNTER_FILE": str(counter_file)}
    made = start_system(**settings, LEASE_SECONDS="4")
    made.start_worker()
    made.start_web()
    return made


@pytest.fixture
def operator(system: System) -> Iterator[Operator]:
    made = Operator(system.url)
    wait_until(lambda: len(made.look()["workers"]) == 2, 15, what="two workers are there")
    yield made
    made.close()


@pytest.fixture
def client(system: System) -> Iterator[Client]:
    made = Client(system.url_of(system.webs[0]))
    yield made
    made.close()


def steps_taken(counter_file: Path, run_id: str) -> Counter[str]:
    lines = counter_file.read_text().splitlines() if counter_file.exists() else []
    return Counter(line.split()[1] for line in lines if line.startswith(run_id))


def test_a_killed_worker_s_run_is_told_with_its_attempt_and_its_silence_and_then_who_goes_on(
    system: System, operator: Operator, client: Client, counter_file: Path
) -> None:
    run_id = client.post_run("12 0.5", agent="walker")["run_id"]
    held = operator.line_of(run_id, lambda run: run["hold"] == "held" and run["last_seq"] > 4)
    card = wait_until(lambda: operator.card_of(held["worker"], runs=1), 10, what="its worker says that it has a run")
    victim = next(worker for worker in system.workers if worker.pid == card["pid"])

    victim.kill()
    killed_at = time.monotonic()

    lost = operator.line_of(run_id, lambda run: run["hold"] in ("silent", "lapsed"), what="the run's worker is silent")
    dead_for = (time.monotonic() - killed_at) * 1000
    assert (lost["worker"], lost["attempt"], lost["state"]) == (held["worker"], 1, "running")
    # Its last sign of life was at most a renewal before its death.
    assert dead_for - 500 < lost["silent_ms"] < dead_for + 2_000
    taken = operator.line_of(run_id, lambda run: run["attempt"] == 2, what="another worker took it")
    assert (taken["hold"], taken["losses"]) == ("held", 1)
    assert taken["worker"] != held["worker"]
    gone = wait_until(lambda: next((w for w in operator.look()["workers"] if w["life"] == "gone"), None), 20)
    assert gone is not None
    assert (gone["worker_id"], gone["about"]["pid"], gone["about"]["runs"]) == (held["worker"], victim.pid, 1)
    assert gone["silent_ms"] > 15_000

    events = client.follow(run_id)
    assert_whole(events)
    assert max(steps_taken(counter_file, run_id).values()) == 1
    told = operator.run(run_id)
    assert [attempt["number"] for attempt in told["attempts"]] == [1, 2]
    assert told["run"]["state"] == "completed"
    assert operator.hour()["completed"] == 1


def test_a_run_is_given_to_another_worker_and_repeats_no_finished_step(
    operator: Operator, client: Client, counter_file: Path
) -> None:
    run_id = client.post_run("8 0.5", agent="walker")["run_id"]
    held = operator.line_of(run_id, lambda run: run["hold"] == "held" and run["last_seq"] > 6)

    operator.do(run_id, "requeue", attempt=1)

    taken = operator.line_of(run_id, lambda run: run["attempt"] == 2, what="another worker took it")
    assert taken["worker"] != held["worker"]
    assert taken["losses"] == 0
    events = client.follow(run_id)
    assert_whole(events)
    assert events[-1]["type"] == "agent_completed"
    assert [event["data"]["reason"] for event in events if event["type"] == "run_resumed"] == [
        "An operator has given this to another process."
    ]
    assert max(steps_taken(counter_file, run_id).values()) == 1


def is_draining(operator: Operator, worker_id: str) -> bool:
    told = {worker["worker_id"]: worker["about"] for worker in operator.look()["workers"]}
    return worker_id in told and told[worker_id]["draining"] is True


def test_a_worker_that_stops_says_so_and_leaves_the_list(system: System, operator: Operator, client: Client) -> None:
    run_id = client.post_run("go", agent="waiter")["run_id"]
    held = operator.line_of(run_id, lambda run: run["hold"] == "held" and run["last_seq"] > 2)
    worker = operator.run(run_id)["worker"]
    assert worker["about"]["draining"] is False

    stopping = next(process for process in system.workers if process.pid == worker["about"]["pid"])
    stopping.send(signal.SIGTERM)
    wait_until(lambda: is_draining(operator, held["worker"]), 10, what="the worker says that it stops")
    stopping.wait(30)

    names = [told["worker_id"] for told in operator.look()["workers"]]
    assert held["worker"] not in names
    assert len(names) == 1
