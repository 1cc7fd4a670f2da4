"""The web process as the Procfile starts it: real gunicorn, real sockets, no worker."""

from __future__ import annotations

import contextlib
import http.client
import json
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect as open_websocket

from tests.support.asking import multipart
from tests.support.redis import connect, new_server
from tests.support.system import System
from tests.support.waiting import scaled
from tests.support.web import CATALOGUE
from web.request_deadline import HEAD_SECONDS
from worker.contract import codec, keys


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    directory = tmp_path_factory.mktemp("web")
    system = System(directory, new_server(directory / "redis"))
    try:
        system.redis.start()
        with connect(system.redis_url) as client:
            client.set(keys.CATALOGUE, codec.encode(CATALOGUE))
        system.start_web(ready="/healthz")
        yield system
    finally:
        system.stop()


class Program:
    """A client without a browser's help: one connection, one cookie."""

    def __init__(self, url: str) -> None:
        self.connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=20)
        self.cookie = ""

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, bytes]:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.cookie:
            given["Cookie"] = self.cookie
        self.connection.request(method, path, body, given, encode_chunked=given.get("Transfer-Encoding") == "chunked")
        response = self.connection.getresponse()
        self.cookie = (response.headers.get("Set-Cookie") or self.cookie).partition(";")[0]
        return response.status, response.read()

    def ask(self, message: str) -> str:
        status, body = self.call("POST", "/api/runs", json.dumps({"message": message}), Content_Type="application/json")
        assert status == 202, body
        return str(json.loads(body)["run_id"])


@pytest.fixture
def program(server: System) -> Iterator[Program]:
    made = Program(server.url)
    yield made
    made.connection.close()


def code_of(body: bytes) -> str:
    return str(json.loads(body)["error"]["code"])


def test_a_program_asks_stops_and_reads_the_story(program: Program) -> None:
    run_id = program.ask("hello")

    status, _ = program.call("POST", f"/api/runs/{run_id}/cancel")
    _, body = program.call("GET", f"/api/runs/{run_id}/events")

    assert status == 202
    assert [event["type"] for event in json.loads(body)["events"]] == ["agent_started", "agent_cancelled"]


def test_who_asks_for_an_event_stream_gets_the_story_as_one(program: Program) -> None:
    run_id = program.ask("hello")
    program.call("POST", f"/api/runs/{run_id}/cancel")

    status, body = program.call("GET", f"/api/runs/{run_id}/events", Accept="text/event-stream")

    assert status == 200
    lines = body.decode().splitlines()
    events = [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: ")]
    assert [event["seq"] for event in events] == [1, 2]
    assert [f"id: {event['cursor']}" for event in events] == [line for line in lines if line.startswith("id: ")]


def test_an_event_stream_of_someone_elses_run_is_refused(program: Program, server: System) -> None:
    run_id = program.ask("hello")
    stranger = Program(server.url)

    status, body = stranger.call("GET", f"/api/runs/{run_id}/events", Accept="text/event-stream")

    assert (status, code_of(body)) == (404, "not_found")
    stranger.connection.close()


@pytest.mark.parametrize("size", [21, 60], ids=["a little too large", "far too large"])
def test_an_upload_that_is_too_large_gets_its_answer(program: Program, server: System, size: int) -> None:
    body, content_type = multipart("big.csv", b"a,b\n" + b"1,2\n" * (size * 262_144))
    before = memory_of(server)

    status, answer = program.call("POST", "/api/files", body, Content_Type=content_type)

    assert (status, code_of(answer)) == (413, "file_too_large")
    assert memory_of(server) - before < 20_000


def test_a_body_of_unknown_length_is_bounded_as_well(program: Program, server: System) -> None:
    before = memory_of(server)
    pieces = (b"x" * 65_536 for _ in range(100))

    status, answer = program.call(
        "POST", "/api/runs", pieces, Content_Type="application/json", Transfer_Encoding="chunked"
    )

    assert (status, code_of(answer)) == (413, "too_large")
    assert memory_of(server) - before < 20_000


HEAD = b"Host: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n"
UNFINISHED = {
    "head": b"GET / HTTP/1.1\r\nHost: x\r\nX-A: ",
    "body": b"POST /api/runs HTTP/1.1\r\n" + HEAD + b"\r\n{",
    "refused body": b"POST /nowhere HTTP/1.1\r\n" + HEAD + b"\r\n{",
}


def test_clients_that_never_finish_their_requests_do_not_stop_the_server_for_long(server: System) -> None:
    server.start_web(ready="/healthz", WEB_THREADS="3")
    address = urlsplit(server.url)
    with contextlib.ExitStack() as held:
        for begun in UNFINISHED.values():
            sock = held.enter_context(socket.create_connection((address.hostname, address.port)))
            sock.sendall(begun)
        program = held.enter_context(contextlib.closing(http.client.HTTPConnection(address.netloc, timeout=scaled(20))))
        program.request("GET", "/healthz")

        assert program.getresponse().status == 200
    server.webs.pop().stop()


def test_a_viewer_outlives_the_deadline_of_the_request_that_it_came_by(program: Program, server: System) -> None:
    run_id = program.ask("hello")
    headers = {"Accept": "text/event-stream", "Cookie": program.cookie}
    viewer = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=scaled(5))
    url = server.url.replace("http", "ws", 1) + "/ws"
    with contextlib.closing(viewer), open_websocket(url, additional_headers=headers, proxy=None) as browser:
        viewer.request("GET", f"/api/runs/{run_id}/events", headers=headers)
        answer = viewer.getresponse()
        time.sleep(HEAD_SECONDS + 1)  # The time itself is what is tested.
        program.connection.close()  # It was idle for longer than the server keeps one.

        program.call("POST", f"/api/runs/{run_id}/cancel")

        assert b"agent_cancelled" in answer.read()
        assert browser.ping().wait(scaled(5))


@pytest.mark.parametrize("cookie", ["", "outloud_user=usr_forged.x.y"])
def test_a_socket_without_a_valid_cookie_is_told_to_get_one(program: Program, server: System, cookie: str) -> None:
    url = server.url.replace("http", "ws", 1) + "/ws"
    with open_websocket(url, additional_headers={"Cookie": cookie}, proxy=None) as nobody:
        with pytest.raises(ConnectionClosed):
            nobody.recv(timeout=scaled(5))
        assert nobody.close_code == 4401

    program.call("GET", "/api/session")
    with open_websocket(url, additional_headers={"Cookie": program.cookie}, proxy=None) as someone:
        assert someone.ping().wait(scaled(5))


def test_a_large_upload_is_taken(program: Program) -> None:
    body, content_type = multipart("large.csv", b"a,b\n" + b"12345678,abcdefgh\n" * 450_000)

    status, answer = program.call("POST", "/api/files", body, Content_Type=content_type)

    assert status == 201, answer
    assert json.loads(answer)["rows"] == 450_000


def test_a_wrong_environment_ends_the_process_and_names_all_problems(server: System) -> None:
    web = server._start("web", 9, {"SECRET_KEY": "short", "PORT": "0", "MAX_FILE_MB": "huge"})

    assert web.wait(20) != 0
    for expected in ("SECRET_KEY has 5 characters", "MAX_FILE_MB is 'huge'; expected a number"):
        assert expected in web.output
    web.stop()


def test_logs_are_json_lines(program: Program, server: System) -> None:
    run_id = program.ask("my secret plan")
    program.call("GET", f"/api/runs/{run_id}")

    lines = [json.loads(line) for line in server.web.output.splitlines() if line.startswith("{")]

    assert [line["route"] for line in lines if line.get("run_id") == run_id] == ["/api/runs", "/api/runs/<run_id>"]
    assert "my secret plan" not in server.web.output
    assert "Traceback" not in server.web.output


def test_a_stop_is_clean(server: System) -> None:
    web = server.start_web(ready="/healthz")

    web.send(signal.SIGTERM)

    assert web.wait(15) == 0


def memory_of(server: System) -> int:
    """Resident memory of the serving process and its parent, in KB."""
    children = Path(f"/proc/{server.web.pid}/task/{server.web.pid}/children").read_text().split()
    statuses = [Path(f"/proc/{pid}/status").read_text() for pid in (str(server.web.pid), *children)]
    return sum(int(line.split()[1]) for status in statuses for line in status.splitlines() if line.startswith("VmRSS"))
