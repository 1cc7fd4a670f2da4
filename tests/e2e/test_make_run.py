"""`make run`: one command brings the whole system up, and Ctrl-C takes down what it started and nothing else."""

from __future__ import annotations

import os
import re
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.environment import ROOT
from tests.support.processes import Process
from tests.support.redis import RedisServer, free_port
from tests.support.waiting import wait_until
from worker.local.ports import answers_ok, is_free

READY = "outloud is ready: "
READY_SECONDS = 60.0

Launch = Callable[..., Process]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The project's folder without the developer's own settings and data."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    for name in ("Makefile", "Procfile", "bin", "celeryconfig.py", "requirements-local.txt", "web", "worker"):
        (folder / name).symlink_to(ROOT / name)
    (folder / ".venv").symlink_to(Path(sys.prefix))
    return folder


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def launch(checkout: Path, tmp_path: Path, port: int) -> Iterator[Launch]:
    """Run the system in the checkout, at `port` unless told otherwise."""
    launched: list[Process] = []

    def start(command: str = f"{sys.executable} -m worker.local", **settings: str) -> Process:
        name = f"local-{len(launched) + 1}"
        variables = {"PORT": str(port), **settings}
        launched.append(Process(name, command, settings=variables, directory=tmp_path / "logs", cwd=checkout))
        return launched[-1]

    yield start
    for process in launched:
        process.stop()


def wait_until_ready(process: Process) -> None:
    wait_until(lambda: READY in process.output or not process.is_running, READY_SECONDS, what="the system is ready")
    assert process.is_running, process.tail()


def pid_of_redis(data_dir: Path) -> int:
    found = re.findall(r"^(\d+):", (data_dir / "redis" / "redis.log").read_text(), re.MULTILINE)
    return int(found[-1])


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_one_command_brings_everything_up_and_a_second_run_finds_the_data(
    launch: Launch, checkout: Path, port: int
) -> None:
    url = f"http://127.0.0.1:{port}"
    with httpx.Client(base_url=url) as browser:
        first = launch()
        wait_until_ready(first)
        assert f"{READY}{url}\n" in first.output
        assert "Model: offline (set OPENAI_API_KEY" in first.output
        [password] = re.findall(rf"^Operators: {url}/ops \(any name, password (\S+)\)$", first.output, re.MULTILINE)
        assert browser.get("/ops", auth=("anyone", password)).status_code == 200
        assert browser.get("/ops").status_code == 401
        assert len(browser.get("/api/agents").json()["agents"]) == 8
        accepted = browser.post("/api/runs", json={"message": "What is 2 + 3?"})
        assert accepted.status_code == 202, accepted.text
        redis_pid = pid_of_redis(checkout / ".data")

        assert first.terminate(deadline=40) == 0
        assert is_free(port)
        assert not is_alive(redis_pid)

        second = launch()
        wait_until_ready(second)
        assert password in second.output
        threads = browser.get("/api/threads").json()["threads"]
        assert [thread["thread_id"] for thread in threads] == [accepted.json()["thread_id"]]


def test_ctrl_c_in_the_terminal_of_make_stops_all_of_it(launch: Launch, checkout: Path, port: int) -> None:
    make = launch("make run")
    wait_until_ready(make)
    redis_pid = pid_of_redis(checkout / ".data")

    # As a terminal does: to make and to everything in its foreground group at once.
    os.killpg(make.pid, signal.SIGINT)

    make.wait(deadline=40)
    assert "Traceback" not in make.output
    wait_until(lambda: is_free(port), what="the port is free")
    wait_until(lambda: not is_alive(redis_pid), what="Redis has ended")


def test_a_redis_that_ran_before_is_used_and_left_running(
    launch: Launch, checkout: Path, redis_server: RedisServer, redis_url: str
) -> None:
    (checkout / ".env").write_text(f"REDIS_URL={redis_url}\n")
    system = launch()
    wait_until_ready(system)
    assert "Redis: the one of REDIS_URL" in system.output

    system.send(signal.SIGINT)

    assert system.wait(deadline=40) == 0
    assert redis_server.is_running
    assert not (checkout / ".data" / "redis" / "redis.log").exists()


def test_a_process_that_dies_is_named_and_started_again(launch: Launch, port: int) -> None:
    system = launch()
    wait_until_ready(system)
    web = re.search(r"Listening at: \S+ \((\d+)\)", system.output)
    assert web is not None

    os.killpg(os.getpgid(int(web[1])), signal.SIGKILL)

    wait_until(lambda: "web ended by itself with exit code -9" in system.output, what="the end is named")
    wait_until(lambda: system.output.count("Listening at:") == 2, 20, what="web has been started again")
    wait_until(lambda: answers_ok(f"http://127.0.0.1:{port}/readyz"), 20, what="the system is ready again")


def test_a_redis_that_dies_is_started_again_with_its_data(launch: Launch, checkout: Path, port: int) -> None:
    system = launch()
    wait_until_ready(system)
    first = pid_of_redis(checkout / ".data")

    os.kill(first, signal.SIGKILL)

    wait_until(lambda: "Redis ended by itself" in system.output, what="the end is named")
    wait_until(lambda: answers_ok(f"http://127.0.0.1:{port}/readyz"), 30, what="the system is ready again")
    assert pid_of_redis(checkout / ".data") != first


def test_a_taken_port_is_one_clear_message_and_starts_nothing(launch: Launch, checkout: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        system = launch(PORT=str(taken))

        assert system.wait() == 1
        assert system.output.startswith(f"outloud: Port {taken} is taken by another program")
        assert len(system.output.splitlines()) == 1
        assert not (checkout / ".data").exists()


def test_a_second_system_on_the_same_data_is_refused(launch: Launch) -> None:
    first = launch()
    wait_until_ready(first)

    second = launch(PORT=str(free_port()))

    assert second.wait() == 1
    assert "DATA_DIR" in second.output
    assert first.is_running


def test_wrong_settings_are_all_named(launch: Launch) -> None:
    system = launch(PORT="eight thousand", REDIS_URL="localhost")

    assert system.wait() == 1
    assert "PORT is 'eight thousand'" in system.output
    assert "REDIS_URL does not begin with" in system.output


def test_what_the_release_line_finds_wrong_is_said_before_anything_starts(launch: Launch, port: int) -> None:
    system = launch(WEB_ORIGINS="*", AGENTS="no.such.module")

    assert system.wait(30) == 1
    said = [line for line in system.output.splitlines() if "wrong  " in line]
    assert [line.split()[1] for line in said] == ["WEB_ORIGINS", "agents:"]
    assert "Traceback" not in system.output
    assert "ok     " not in system.output
    assert "Listening at" not in system.output
    assert is_free(port)
