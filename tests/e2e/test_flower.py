"""Flower beside a real system: it shows which agent, which run and which worker, and that a worker was killed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tests.support.client import Client
from tests.support.processes import Process
from tests.support.redis import connect, free_port
from tests.support.system import System, running_system
from tests.support.waiting import scaled, wait_until
from worker.contract import keys

SETTINGS = {"AGENTS": "tests.support.agents", "TASK_EVENTS": "true"}


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Two workers on one host."""
    with running_system(tmp_path_factory.mktemp("flower"), SETTINGS) as running:
        running.start_worker()
        yield running


@pytest.fixture(scope="module")
def flower(system: System, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    port = free_port()
    environment = {**SETTINGS, "REDIS_URL": system.redis_url, "FLOWER_UNAUTHENTICATED_API": "true"}
    process = Process(
        "flower",
        f"celery -A worker flower --port={port}",
        settings=environment,
        directory=tmp_path_factory.mktemp("flower-log"),
    )
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=scaled(10)) as http:
        wait_until(lambda: _answers(http) or not process.is_running, 30, what="flower answers")
        # It hears of nothing that was before; a heartbeat of each worker shows that it listens.
        wait_until(lambda: len(online(http)) == 2, 20, what="flower has heard both workers")
        yield http
    process.stop()


def _answers(http: httpx.Client) -> bool:
    try:
        return http.get("/healthcheck").status_code == 200
    except httpx.HTTPError:
        return False


def online(flower: httpx.Client) -> list[str]:
    told = flower.get("/workers", params={"json": "1"}).raise_for_status().json()["data"]
    return sorted(worker["hostname"].split("@")[0] for worker in told if worker["status"])


def task_of(flower: httpx.Client, run_id: str, is_wanted: Callable[[Any], bool]) -> dict[str, Any]:
    """The task of a run, once it is as wanted."""

    def find() -> dict[str, Any] | None:
        tasks = flower.get("/api/tasks").raise_for_status().json().values()
        return next((task for task in tasks if run_id in (task["args"] or "") and is_wanted(task)), None)

    found = wait_until(find, 15, what=f"flower shows {run_id} as wanted")
    assert found is not None
    return found


def ops_workers(system: System) -> list[str]:
    with connect(system.redis_url) as client:
        return sorted(str(name) for name in client.zrange(keys.WORKERS, 0, -1))


def test_a_task_is_named_by_its_agent_and_tells_its_run_and_how_that_ended(
    system: System, flower: httpx.Client
) -> None:
    client = Client(system.url)
    done, failed = client.post_run("go", agent="quick")["run_id"], client.post_run("go", agent="fragile")["run_id"]

    told = task_of(flower, done, lambda task: task["state"] == "SUCCESS")
    assert (told["name"], told["args"], told["result"]) == ("quick", f"['{done}']", "'completed'")
    assert told["runtime"] > 0
    told = task_of(flower, failed, lambda task: task["state"] == "SUCCESS")
    assert (told["name"], told["result"]) == ("fragile", "'failed'")
    client.close()


def test_the_page_shows_the_columns_that_say_something(flower: httpx.Client) -> None:
    """Those of `flowerconfig.py`; by itself Flower shows neither the run nor how it ended."""
    page = flower.get("/tasks").raise_for_status().text

    titles = [title.strip() for title in re.findall(r"<th[^>]*>([^<]*)</th>", page)]
    assert titles == ["Name", "args", "State", "Result", "Received", "Runtime", "Worker"]


def test_a_run_that_is_under_way_is_started_on_a_worker_by_the_name_that_ops_shows(
    system: System, flower: httpx.Client
) -> None:
    client = Client(system.url)
    run_id = client.post_run("go", agent="waiter")["run_id"]

    told = task_of(flower, run_id, lambda task: task["state"] == "STARTED")

    assert told["name"] == "waiter"
    assert online(flower) == ops_workers(system)
    assert told["worker"].split("@")[0] in ops_workers(system)
    client.cancel(run_id)
    assert task_of(flower, run_id, lambda task: task["state"] == "SUCCESS")["result"] == "'cancelled'"
    client.close()
