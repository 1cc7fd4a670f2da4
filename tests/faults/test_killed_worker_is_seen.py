"""A worker is killed in the middle of a run: the figures and the logs say which run, which attempt, how long silent."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.client import Client, assert_whole
from tests.support.figures import Figures, figures_at, figures_when
from tests.support.system import System, running_system
from tests.support.waiting import wait_until

LEASE_SECONDS = 3


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    directory = tmp_path_factory.mktemp("killed")
    settings = {
        "AGENTS": "tests.support.agents",
        "COUNTER_FILE": str(directory / "counter"),
        "LEASE_SECONDS": str(LEASE_SECONDS),
    }
    with running_system(directory, settings) as running:
        yield running


@pytest.fixture
def client(system: System) -> Iterator[Client]:
    made = Client(system.url)
    yield made
    made.close()


class Watch:
    """What `/metrics` said, again and again."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.seen: list[Figures] = []

    def look(self) -> Figures:
        self.seen.append(figures_at(self._url))
        return self.seen[-1]

    def silences(self) -> list[float]:
        return [figures.value("outloud_longest_silence_seconds") for figures in self.seen]


def reaped(system: System) -> list[dict[str, Any]]:
    """The lines of all processes that say what the reaper did."""
    processes = [*system.webs, *system.workers]
    lines = [json.loads(line) for process in processes for line in process.output.splitlines() if '"reaped"' in line]
    return [line for line in lines if line["message"] == "reaped"]


def test_a_killed_worker_is_seen_until_another_one_goes_on(system: System, client: Client) -> None:
    watch = Watch(system.url)
    run_id = client.post_run("8 0.3", agent="walker")["run_id"]
    client.follow(run_id, at_most=6)
    [owner] = watch.look().label("outloud_worker_runs", "process")
    healthy = watch.look()

    system.worker.kill()
    killed_at = time.time()
    watch.seen.clear()
    wait_until(lambda: watch.look().value("outloud_runs_without_worker") == 1, 10, what="it is without a worker")
    without_for = time.time() - killed_at
    wait_until(lambda: watch.look().value("outloud_reaper_actions_total", action="requeued") == 1, 10, what="requeued")
    wait_until(lambda: watch.look().value("outloud_longest_silence_seconds") > LEASE_SECONDS + 2, 10, what="silence")
    alone = watch.seen[-1]
    system.start_worker()
    events = client.follow(run_id)
    after = figures_when(
        system.url, lambda now: now.value("outloud_runs_ended_total", outcome="completed") == 1, what="it has ended"
    )

    assert_whole(events)
    assert healthy.value("outloud_runs_without_worker") == 0
    assert healthy.value("outloud_longest_silence_seconds") < LEASE_SECONDS
    assert without_for > LEASE_SECONDS / 2
    growing = watch.silences()[: watch.seen.index(alone) + 1]
    assert growing == sorted(growing)
    assert alone.value("outloud_runs_without_worker") == 1
    assert alone.value("outloud_runs_unfinished", state="queued") == 1
    assert after.value("outloud_runs_without_worker") == 0
    assert after.value("outloud_longest_silence_seconds") < LEASE_SECONDS
    assert after.value("outloud_lost_attempt_silence_seconds_count") == 1
    assert LEASE_SECONDS / 2 < after.value("outloud_lost_attempt_silence_seconds_sum") < LEASE_SECONDS + 3
    assert after.value("outloud_attempts_started_total", kind="again") == 1
    [line] = [line for line in reaped(system) if line["decision"] == "requeued"]
    assert (line["run_id"], line["attempt"], line["state"]) == (run_id, 1, "running")
    assert line["lost_worker_id"] == owner
    assert line["silent_ms"] == pytest.approx(1000 * after.value("outloud_lost_attempt_silence_seconds_sum"), abs=2)


def test_what_a_killed_worker_had_counted_is_told_for_two_minutes_and_what_it_had_is_not(
    system: System, client: Client
) -> None:
    client.follow(client.post_run("ping", agent="quick")["run_id"])
    figures_when(system.url, lambda now: now.value("outloud_runs_ended_total", agent="quick") == 1, what="it is told")
    [alive] = figures_at(system.url).label("outloud_worker_runs", "process")

    system.worker.kill()
    gone = figures_when(
        system.url, lambda now: not now.label("outloud_worker_runs", "process"), 25, what="it counts as gone"
    )

    assert gone.value("outloud_runs_ended_total", agent="quick", process=alive) == 1
    assert gone.value("outloud_processes", kind="worker") == 0
    assert gone.value("outloud_processes", kind="web") == 1
    assert gone.value("outloud_workers") == 0
