"""Viewers that are slow, many or silent, and a subscriber connection that is deaf."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import threading
from pathlib import Path

import pytest
import redis
from websockets.exceptions import ConnectionClosed

from tests.support.redis import RedisServer, free_port
from tests.support.relay import RelayServer, RunWriter, cursors, running_relay
from tests.support.waiting import scaled, wait_until

MIB = 1024 * 1024
#: A receive buffer that is full soon.
SMALL_BUFFER = 8192


@pytest.fixture
def run(redis_client: redis.Redis) -> RunWriter:
    return RunWriter(redis_client).start()


def test_a_viewer_that_reads_nothing_harms_nobody_and_costs_no_memory(
    redis_url: str, run: RunWriter, tmp_path: Path
) -> None:
    with (
        running_relay(redis_url, tmp_path) as relay,
        relay.connect() as healthy,
        relay.connect(sock=slow_socket(relay), max_queue=1) as slow,
    ):
        healthy.subscribe(run.run_id).read_until("live")
        slow.subscribe(run.run_id).read_until("live")
        run.say(1000, size=1000)
        healthy.read_until_seq(run.run_id, 1001)
        before = resident_bytes(relay)

        run.say(5000, size=4000)

        assert cursors(healthy.read_until_seq(run.run_id, run.last)) == run.cursors
        assert resident_bytes(relay) - before < 4 * MIB
        # It has missed nothing either.
        assert cursors(slow.read_until_seq(run.run_id, run.last)) == run.cursors


def test_a_viewer_that_makes_no_progress_is_closed_and_may_resume(
    redis_url: str, run: RunWriter, tmp_path: Path
) -> None:
    with running_relay(redis_url, tmp_path, RELAY_LIMITS='{"stall_seconds": 1.0}') as relay:
        with relay.connect(sock=slow_socket(relay), max_queue=1) as slow:
            slow.subscribe(run.run_id).read_until("live")
            run.say(1000, size=4000)
            wait_until(lambda: "viewer too slow" in relay.process.output, what="the viewer is given up")
            with pytest.raises(ConnectionClosed):
                slow.read_until_seq(run.run_id, run.last)

        assert slow.socket.close_code == 4408
        seen = cursors(slow.shown[run.run_id])
        with relay.connect() as browser:
            browser.subscribe(run.run_id, seen[-1])
            assert seen + cursors(browser.read_until_seq(run.run_id, run.last)) == run.cursors


def test_five_hundred_idle_viewers_need_no_os_threads(redis_url: str, run: RunWriter, tmp_path: Path) -> None:
    with running_relay(redis_url, tmp_path) as relay, contextlib.ExitStack() as stack:
        for _ in range(20):
            relay.state()
        memory, descriptors = resident_bytes(relay), open_descriptors(relay)

        for number in range(500):
            stack.enter_context(handshake(relay, f"usr_idle_{number // 10}"))

        wait_until(lambda: relay.state()["viewers"] == 500, what="500 viewers")
        # Those of gunicorn's pool, and a handful.
        assert os_threads(relay) <= 16 + 8
        assert resident_bytes(relay) - memory < 500 * 32 * 1024
        with relay.connect() as browser:
            browser.subscribe(run.run_id).read_until("live")
        stack.close()
        wait_until(lambda: relay.state()["viewers"] == 0, what="all have left")
        assert open_descriptors(relay) <= descriptors + 8


def test_a_subscriber_connection_that_hears_nothing_is_rebuilt(
    redis_server: RedisServer, run: RunWriter, tmp_path: Path
) -> None:
    port = int(redis_server.url.rsplit(":", 1)[1].partition("/")[0])
    limits = json.dumps({"probe_seconds": 0.2, "audit_seconds": 600})
    with (
        DeafeningProxy(port) as proxy,
        running_relay(f"redis://127.0.0.1:{proxy.port}/0", tmp_path, RELAY_LIMITS=limits) as relay,
        relay.connect() as browser,
    ):
        browser.subscribe(run.run_id).read_until("live")
        proxy.deafen()
        run.say(5)

        assert cursors(browser.read_until_seq(run.run_id, 6)) == run.cursors
        assert "subscriber connection is deaf" in relay.process.output


def slow_socket(relay: RelayServer) -> socket.socket:
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER)
    sock.settimeout(scaled(10))
    sock.connect(relay.address)
    return sock


def handshake(relay: RelayServer, user: str) -> socket.socket:
    """A WebSocket that nobody reads: a client library would need an OS thread each."""
    sock = socket.create_connection(relay.address, timeout=scaled(10))
    sock.sendall(
        b"GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nX-User: "
        + user.encode()
        + b"\r\n\r\n"
    )
    assert sock.recv(4096).startswith(b"HTTP/1.1 101 ")
    return sock


def resident_bytes(relay: RelayServer) -> int:
    return _status(relay, "VmRSS") * 1024


def os_threads(relay: RelayServer) -> int:
    return _status(relay, "Threads")


def open_descriptors(relay: RelayServer) -> int:
    return len(list(Path(f"/proc/{relay.state()['pid']}/fd").iterdir()))


def _status(relay: RelayServer, name: str) -> int:
    text = Path(f"/proc/{relay.state()['pid']}/status").read_text()
    match = re.search(rf"^{name}:\s+(\d+)", text, re.MULTILINE)
    assert match is not None
    return int(match[1])


class DeafeningProxy:
    """Forwards to Redis; `deafen` swallows what the present subscriber connections would hear, and leaves them open."""

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self._listener = socket.create_server(("127.0.0.1", free_port()))
        self.port: int = self._listener.getsockname()[1]
        self._subscribers: set[socket.socket] = set()
        self._deaf: set[socket.socket] = set()
        self._sockets: list[socket.socket] = []

    def __enter__(self) -> DeafeningProxy:
        threading.Thread(target=self._accept, name="deafening proxy", daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        for sock in (self._listener, *self._sockets):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()

    def deafen(self) -> None:
        self._deaf |= self._subscribers

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(("127.0.0.1", self._target_port))
                self._sockets += (near, far)
                for pair in ((near, far), (far, near)):
                    threading.Thread(target=self._forward, args=(*pair, near), daemon=True).start()

    def _forward(self, source: socket.socket, sink: socket.socket, near: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                if b"SUBSCRIBE" in data and source is near:
                    self._subscribers.add(near)
                if not (sink is near and near in self._deaf):
                    sink.sendall(data)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_RDWR)
