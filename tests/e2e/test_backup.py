"""Backup and restore of a system's threads, runs and files, with the processes of the Procfile."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.client import Client, assert_whole
from tests.support.redis import connect
from tests.support.system import System, running_system
from tests.support.waiting import wait_until
from worker.__main__ import main
from worker.backup_file import read
from worker.contract import keys


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "threads.backup"


def test_threads_stories_and_files_come_back_byte_for_byte(
    tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_system(tmp_path / "system", {"AGENTS": "tests.support.agents"}) as system:
        monkeypatch.setenv("REDIS_URL", system.redis_url)
        client = Client(system.url)
        first = client.post_run("20", agent="counter")
        second = client.post_run("go", agent="clumsy", thread_id=first["thread_id"])
        for run in (first, second):
            assert_whole(client.follow(run["run_id"]))
        upload = client.http.post("/api/files", files={"file": ("sales.csv", b"month,sold\n1,2\n" * 500)})
        assert upload.status_code in (200, 201), upload.text
        before = seen_by(client, first, second)

        assert main(["backup", str(file)]) == 0
        with connect(system.redis_url) as redis_client:
            redis_client.flushall()
        assert client.http.get("/api/threads").json()["threads"] == []
        assert main(["restore", str(file)]) == 0

        assert seen_by(client, first, second) == before
        again = client.post_run("go", agent="quick", thread_id=first["thread_id"])
        assert client.follow(again["run_id"])[-1]["type"] == "agent_completed"
        client.close()


def seen_by(client: Client, *posted: dict[str, Any]) -> list[bytes]:
    """What a user's browser gets: threads, stories with their cursors, a large result, files."""
    thread_id = posted[0]["thread_id"]
    paths = ["/api/threads", f"/api/threads/{thread_id}", "/api/files"]
    paths += [f"/api/runs/{run['run_id']}/events?after=0" for run in posted]
    events = client.follow(posted[-1]["run_id"])
    [flood] = [event for event in events if event["type"] == "tool_completed" and event["data"].get("truncated")]
    paths.append(f"/api/runs/{posted[-1]['run_id']}/tool_calls/{flood['data']['call_id']}/result")
    answers = [client.http.get(path).raise_for_status().content for path in paths]
    return [*answers, json.dumps(events).encode()]


def test_a_run_that_was_under_way_goes_on_after_the_restore(
    tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"AGENTS": "tests.support.agents", "COUNTER_FILE": str(tmp_path / "steps"), "LEASE_SECONDS": "2"}
    with running_system(tmp_path / "system", settings) as system:
        monkeypatch.setenv("REDIS_URL", system.redis_url)
        client = Client(system.url)
        run_id = client.post_run("6 0.3", agent="walker")["run_id"]
        client.follow(run_id, at_most=6)

        assert main(["backup", str(file)]) == 0
        steps_at_backup = len((tmp_path / "steps").read_text().splitlines())
        stop_all(system)
        with connect(system.redis_url) as redis_client:
            redis_client.flushall()
        assert main(["restore", str(file)]) == 0
        system.start_worker()
        client.close()
        port = system.ports[system.web.pid]
        system.start_web(port=port)
        again = Client(system.url)
        again.http.cookies = client.http.cookies
        events = again.follow(run_id)

        assert_whole(events)
        assert events[-1]["type"] == "agent_completed"
        assert [event["type"] for event in events].count("run_resumed") == 1
        # What was finished then was not done a second time; the steps behind it were.
        ended = sum(event["type"] == "tool_completed" for event in events)
        assert ended == 6
        assert 1 <= steps_at_backup <= 6
        again.close()


def stop_all(system: System) -> None:
    for process in [*system.webs, *system.workers]:
        process.kill()


def test_a_backup_under_way_disturbs_no_run(tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running_system(tmp_path / "system", {"AGENTS": "tests.support.agents"}) as system:
        monkeypatch.setenv("REDIS_URL", system.redis_url)
        client = Client(system.url)
        posted = [client.post_run("40", agent="counter")["run_id"] for _ in range(10)]
        wait_until(lambda: all(client.run(run_id)["state"] == "running" for run_id in posted))

        assert main(["backup", str(file)]) == 0

        for run_id in posted:
            assert_whole(client.follow(run_id))
        records = {entry.key for entry in read(file)}
        assert {keys.run(run_id).encode() for run_id in posted} <= records
        client.close()
