"""Web processes that are told to stop, killed, or stopped for a while, and what their viewers see: no hole."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import redis
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.sync.client import ClientConnection, connect

from tests.support.client import Client
from tests.support.processes import Process
from tests.support.redis import connect as connect_redis
from tests.support.redis import free_port, new_server
from tests.support.relay import RunWriter, cursors
from tests.support.system import SECRET_KEY, System, procfile_line
from tests.support.waiting import scaled, wait_until
from worker.local.ports import answers_ok

Event = dict[str, Any]


@pytest.fixture
def system(tmp_path: Path) -> Iterator[System]:
    """A Redis, for web processes without a worker: the tests write the runs."""
    started = System(tmp_path, new_server(tmp_path / "redis"))
    started.redis.start()
    try:
        yield started
    finally:
        started.stop()


@pytest.fixture
def store(system: System) -> Iterator[redis.Redis]:
    with connect_redis(system.redis_url) as client:
        yield client


@pytest.fixture
def sign_in() -> Iterator[Callable[[str], Client]]:
    with contextlib.ExitStack() as stack:

        def make(url: str) -> Client:
            client = Client(url)
            stack.callback(client.close)
            return client

        yield make


def cookie_of(client: Client) -> dict[str, str]:
    return {"Cookie": "; ".join(f"{name}={value}" for name, value in client.http.cookies.items())}


class Person:
    """Follows a run to its end over one of several addresses, and comes back after every cut, as the protocol says."""

    def __init__(self, urls: Sequence[str], client: Client, run_id: str) -> None:
        self._urls = [url.replace("http", "ws", 1) + "/ws" for url in urls]
        self._headers = cookie_of(client)
        self._run_id = run_id
        self.shown: list[Event] = []
        #: The code of each close, 1006 for a cut without one.
        self.closes: list[int] = []
        self.goodbyes: list[int] = []
        self.problems: list[Event] = []
        self.links = 0
        #: How much was shown before the present link.
        self._shown_before = 0
        self._failure: Exception | None = None
        self._os_thread = threading.Thread(target=self._follow, daemon=True)
        self._os_thread.start()

    def __str__(self) -> str:
        return f"{len(self.shown)} events over {self.links} links, closes {self.closes}, problems {self.problems}"

    @property
    def is_over(self) -> bool:
        return bool(self.shown) and bool(self.shown[-1]["terminal"])

    def wait(self, deadline: float = 30.0) -> list[str]:
        """Wait for the end of the run, and give the cursors of what was shown."""
        self._os_thread.join(scaled(deadline))
        if self._failure is not None:
            raise self._failure
        assert self.is_over, str(self)
        return cursors(self.shown)

    @property
    def is_connected(self) -> bool:
        """It has been shown something over the present link."""
        return self._shown_before < len(self.shown)

    def wait_for(self, count: int) -> None:
        wait_until(lambda: len(self.shown) >= count, what=f"{count} events are shown")

    def _follow(self) -> None:
        try:
            while not self.is_over:
                self._visit(self._urls[self.links % len(self._urls)])
        except Exception as error:  # noqa: BLE001
            self._failure = error

    def _visit(self, url: str) -> None:
        self.links += 1
        self._shown_before = len(self.shown)
        try:
            # Pings of its own would close the link to a server that is stopped for a while.
            with connect(url, additional_headers=self._headers, ping_interval=None, proxy=None) as link:
                self._stay(link)
        except ConnectionClosed as closed:
            self._shown_before = len(self.shown)
            self.closes.append(closed.rcvd.code if closed.rcvd else 1006)
        except (OSError, EOFError, TimeoutError, WebSocketException):
            # Nobody is there, or nobody who lets us in.
            time.sleep(0.05)

    def _stay(self, link: ClientConnection) -> None:
        after = self.shown[-1]["cursor"] if self.shown else 0
        link.send(json.dumps({"op": "subscribe", "run_id": self._run_id, "after": after}))
        while not self.is_over:
            frame = json.loads(link.recv())
            for item in frame if isinstance(frame, list) else [frame]:
                self._take(item)

    def _take(self, item: Event) -> None:
        if "type" in item:
            assert item["seq"] == len(self.shown) + 1, f"event {item['seq']} after {len(self.shown)}"
            self.shown.append(item)
        elif item["op"] == "bye":
            self.goodbyes.append(item["retry_ms"])
        elif item["op"] in ("error", "reset"):
            self.problems.append(item)


def wait_for_all(people: Sequence[Person], *, closes: int = 0) -> None:
    """Wait until everyone is connected, and was closed so often."""
    try:
        wait_until(lambda: all(person.is_connected and len(person.closes) >= closes for person in people), 20)
    except AssertionError as late:
        raise AssertionError("\n".join(map(str, people))) from late


class HalfUpload:
    """A request whose body has not arrived as a whole: the process has it in hand until `finish`."""

    def __init__(self, url: str, client: Client) -> None:
        host, port = url.removeprefix("http://").split(":")
        body = b'--x\r\nContent-Disposition: form-data; name="file"; filename="n.csv"\r\n\r\na,b\n1,2\n\r\n--x--\r\n'
        head = (
            f"POST /api/files HTTP/1.1\r\nHost: {host}:{port}\r\nCookie: {cookie_of(client)['Cookie']}\r\n"
            f"Content-Type: multipart/form-data; boundary=x\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        self._rest = body[20:]
        self._socket = socket.create_connection((host, int(port)), timeout=scaled(10))
        self._socket.sendall(head.encode() + body[:20])

    def finish(self) -> bytes:
        """Send the rest, and give the status line of the answer."""
        with self._socket, self._socket.makefile("rb") as answer:
            self._socket.sendall(self._rest)
            return answer.readline()


@contextlib.contextmanager
def being_written(run: RunWriter) -> Iterator[None]:
    """Write on as long as the block lasts, and then the end."""
    is_enough = threading.Event()

    def write() -> None:
        while not is_enough.wait(0.01):
            run.say()
        run.finish()

    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(write)
        try:
            yield
        finally:
            is_enough.set()
        writing.result()


def status_of_handshake(url: str, client: Client) -> int:
    """The status of the answer to a handshake: 101 when it is accepted."""
    try:
        with connect(url.replace("http", "ws", 1) + "/ws", additional_headers=cookie_of(client), proxy=None):
            return 101
    except InvalidStatus as refused:
        return refused.response.status_code


def test_a_container_that_is_told_to_stop_says_goodbye_answers_what_it_has_and_ends(
    system: System, store: redis.Redis, sign_in: Callable[[str], Client]
) -> None:
    web = system.start_web(ready="/healthz", WEB_CONCURRENCY="2")
    client = sign_in(system.url)
    run = RunWriter(store, user_id=client.user_id).start().say(50)
    people = [Person([system.url], client, run.run_id) for _ in range(10)]
    for person in people:
        person.wait_for(51)
    uploads = [HalfUpload(system.url, client) for _ in range(6)]

    web.send_all(signal.SIGTERM)

    wait_until(lambda: all(person.closes for person in people), 5, what="everyone was closed")
    assert [person.closes[0] for person in people] == [1012] * 10
    assert all(len(person.goodbyes) == 1 and 0 <= person.goodbyes[0] <= 3000 for person in people)
    assert status_of_handshake(system.url, client) == 503
    assert client.http.get("/readyz").status_code == 503
    answers = [upload.finish() for upload in uploads]
    assert answers == [b"HTTP/1.1 201 CREATED\r\n"] * 6
    began = time.monotonic()
    assert web.wait() == 0
    assert time.monotonic() - began < scaled(5)
    system.start_web(port=system.ports[web.pid], ready="/healthz")
    run.finish()
    assert [person.wait() for person in people] == [run.cursors] * 10


def test_new_connections_are_answered_as_long_as_the_last_request_takes(
    system: System, store: redis.Redis, sign_in: Callable[[str], Client]
) -> None:
    web = system.start_web(ready="/healthz")
    client = sign_in(system.url)
    run = RunWriter(store, user_id=client.user_id).start()
    upload = HalfUpload(system.url, client)
    wait_until(lambda: len(web.children) == 1)

    web.send_all(signal.SIGTERM)

    wait_until(lambda: status_of_handshake(system.url, client) == 503, 5, what="handshakes are refused")
    for _ in range(20):
        assert status_of_handshake(system.url, client) == 503
        stream = client.http.get(f"/api/runs/{run.run_id}/events", headers={"Accept": "text/event-stream"})
        assert stream.status_code == 503
        assert client.http.get("/healthz").status_code == 200
    assert upload.finish() == b"HTTP/1.1 201 CREATED\r\n"
    assert web.wait(5) == 0


@pytest.mark.parametrize("line", ["Listening at", "Booting worker", "/healthz"])
def test_a_process_that_is_told_to_stop_while_it_starts_ends(system: System, line: str) -> None:
    variables = {"REDIS_URL": system.redis_url, "SECRET_KEY": SECRET_KEY, "WEB_CONCURRENCY": "3"}
    address = {"BIND_HOST": "127.0.0.1", "PORT": str(free_port())}
    web = Process("web.1", procfile_line("web"), settings=variables | address, directory=system.directory)
    system.webs.append(web)
    if line == "/healthz":
        wait_until(lambda: answers_ok(f"http://127.0.0.1:{address['PORT']}/healthz"))
    else:
        wait_until(lambda: line in web.output)
    workers = web.children

    web.send_all(signal.SIGTERM)

    assert web.wait(5) == 0
    assert [pid for pid in workers if Path(f"/proc/{pid}").exists()] == []


def test_two_web_processes_that_restart_one_after_the_other_make_no_hole(
    system: System, store: redis.Redis, sign_in: Callable[[str], Client]
) -> None:
    webs = [system.start_web(ready="/healthz") for _ in range(2)]
    urls = [system.url_of(web) for web in webs]
    client = sign_in(system.url)
    run = RunWriter(store, user_id=client.user_id).start()
    people = [Person([urls[number % 2], urls[1 - number % 2]], client, run.run_id) for number in range(20)]

    with being_written(run):
        for web in webs:
            wait_for_all(people)
            web.send_all(signal.SIGTERM)
            assert web.wait() == 0
            system.start_web(port=system.ports[web.pid], ready="/healthz")

    assert [person.wait() for person in people] == [run.cursors] * 20
    assert {code for person in people for code in person.closes} == {1012}
    assert [person.problems for person in people] == [[]] * 20
    assert all(person.closes for person in people)


def test_a_web_process_that_was_stopped_for_a_while_goes_on_where_it_was(
    system: System, store: redis.Redis, sign_in: Callable[[str], Client]
) -> None:
    web = system.start_web(ready="/healthz", GUNICORN_CMD_ARGS="--timeout 2")
    client = sign_in(system.url)
    run = RunWriter(store, user_id=client.user_id).start().say(20)
    people = [Person([system.url], client, run.run_id) for _ in range(5)]
    for person in people:
        person.wait_for(21)
    workers = web.children

    web.send_all(signal.SIGSTOP)
    time.sleep(4)
    run.say(200)
    web.send_all(signal.SIGCONT)
    run.say(200).finish()

    assert [person.wait() for person in people] == [run.cursors] * 5
    assert [person.closes for person in people] == [[]] * 5
    assert web.children == workers


def test_what_redis_would_not_keep_for_a_stopped_web_process_is_read_from_the_log(
    system: System, store: redis.Redis, sign_in: Callable[[str], Client]
) -> None:
    # Redis cuts a subscriber whose unread messages reach 32 MB, or 8 MB for a minute; here they need not.
    store.config_set("client-output-buffer-limit", "pubsub 200000 0 0")
    web = system.start_web(ready="/healthz")
    client = sign_in(system.url)
    run = RunWriter(store, user_id=client.user_id).start().say(20)
    people = [Person([system.url], client, run.run_id) for _ in range(5)]
    for person in people:
        person.wait_for(21)

    web.send_all(signal.SIGSTOP)
    while store.client_list(_type="pubsub"):
        run.say(10, size=20_000)
    run.say(20)
    web.send_all(signal.SIGCONT)
    run.say(20).finish()

    assert [person.wait() for person in people] == [run.cursors] * 5
    assert [person.problems for person in people] == [[]] * 5


def test_a_gunicorn_worker_that_is_killed_is_replaced_and_viewers_go_on(
    system: System, store: redis.Redis, sign_in: Callable[[str], Client]
) -> None:
    web = system.start_web(ready="/healthz")
    client = sign_in(system.url)
    run = RunWriter(store, user_id=client.user_id).start()
    people = [Person([system.url], client, run.run_id) for _ in range(5)]

    with being_written(run):
        for kills in range(1, 4):
            wait_for_all(people)
            (worker,) = web.children
            os.kill(worker, signal.SIGKILL)
            wait_for_all(people, closes=kills)
            wait_until(lambda: len(web.children) == 1, what="there is another worker")

    assert [person.wait() for person in people] == [run.cursors] * 5
    assert [person.closes for person in people] == [[1006] * 3] * 5
    assert [person.problems for person in people] == [[]] * 5
    assert web.is_running


def test_a_web_process_whose_master_is_killed_says_goodbye_and_ends(
    system: System, store: redis.Redis, sign_in: Callable[[str], Client]
) -> None:
    web = system.start_web(ready="/healthz")
    client = sign_in(system.url)
    run = RunWriter(store, user_id=client.user_id).start()
    person = Person([system.url], client, run.run_id)
    person.wait_for(1)
    (worker,) = web.children

    web.send(signal.SIGKILL)

    wait_until(lambda: person.closes, what="the viewer was closed")
    assert person.closes[0] == 1012
    wait_until(lambda: not Path(f"/proc/{worker}").exists(), what="the worker has ended")
    system.start_web(port=system.ports[web.pid], ready="/healthz")
    run.finish()
    assert person.wait() == run.cursors
