"""The proxy that the fault tests cut and delay with: what it does to bytes on their way."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from tests.support.proxy import Proxy, running_proxy
from tests.support.waiting import wait_until


class Echo:
    """A server that answers every piece with the same piece, and keeps what it got."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.got = b""
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(sock,), daemon=True).start()

    def _answer(self, sock: socket.socket) -> None:
        with sock:
            try:
                while piece := sock.recv(65_536):
                    self.got += piece
                    sock.sendall(piece)
            except OSError:
                return


@pytest.fixture
def echo() -> Iterator[Echo]:
    server = Echo()
    yield server
    server.close()


@pytest.fixture
def proxy(echo: Echo) -> Iterator[Proxy]:
    with running_proxy(echo.port) as running:
        yield running


@pytest.fixture
def client(proxy: Proxy) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=5) as sock:
        yield sock


def ask(sock: socket.socket, words: bytes) -> bytes:
    sock.sendall(words)
    heard = b""
    while len(heard) < len(words):
        piece = sock.recv(65_536)
        assert piece, f"closed after {heard!r}"
        heard += piece
    return heard


def is_cut_at_once(port: int) -> bool:
    """Whether a connection is ended, by whichever sign the kernel shows first, without a word."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as sock:
            return sock.recv(1) == b""
    except ConnectionError:
        return True


def test_bytes_go_through_both_ways(client: socket.socket) -> None:
    words = b"x" * 1_000_000

    sender = threading.Thread(target=client.sendall, args=(words,))
    sender.start()
    heard = 0
    while heard < len(words):
        heard += len(client.recv(65_536))
    sender.join()

    assert heard == len(words)


def test_a_delay_holds_every_piece_for_that_long(proxy: Proxy, client: socket.socket) -> None:
    ask(client, b"before")
    proxy.trouble_with(delay=0.1)

    begun = time.monotonic()
    heard = ask(client, b"after")

    assert heard == b"after"
    assert 0.2 <= time.monotonic() - begun < 2


def test_what_is_held_by_silence_comes_late_and_whole(echo: Echo, proxy: Proxy, client: socket.socket) -> None:
    ask(client, b"1")
    proxy.trouble_with(silent=frozenset({"down"}))
    client.sendall(b"23")
    wait_until(lambda: echo.got == b"123")
    client.settimeout(0.1)
    with pytest.raises(TimeoutError):
        client.recv(1)

    proxy.heal()

    client.settimeout(5)
    assert client.recv(10) == b"23"


def test_silence_towards_the_server_keeps_requests_from_it(echo: Echo, proxy: Proxy, client: socket.socket) -> None:
    ask(client, b"1")
    proxy.trouble_with(silent=frozenset({"up", "down"}))
    client.sendall(b"2")
    time.sleep(0.05)
    assert echo.got == b"1"

    proxy.heal()

    assert client.recv(10) == b"2"


def test_single_bytes_arrive_in_order(proxy: Proxy, client: socket.socket) -> None:
    proxy.trouble_with(slices=1)
    words = bytes(range(256)) * 8

    assert ask(client, words) == words


def test_a_cut_closes_open_connections_and_new_ones_work(proxy: Proxy, client: socket.socket) -> None:
    ask(client, b"1")

    proxy.cut()

    assert client.recv(1) == b""
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=5) as again:
        assert ask(again, b"2") == b"2"


def test_a_reset_looks_like_a_crash(proxy: Proxy, client: socket.socket) -> None:
    ask(client, b"1")

    proxy.cut(reset=True)

    with pytest.raises(ConnectionResetError):
        client.recv(1)


def test_a_proxy_that_refuses_lets_nobody_in(echo: Echo, proxy: Proxy) -> None:
    proxy.trouble_with(refuses=True)

    assert is_cut_at_once(proxy.port)
    assert echo.got == b""


def test_a_swallowed_reply_means_that_the_server_has_the_request(
    echo: Echo, proxy: Proxy, client: socket.socket
) -> None:
    ask(client, b"first")
    proxy.swallow_reply_to(b"second")

    client.sendall(b"the second")

    assert client.recv(10) == b""
    wait_until(lambda: echo.got == b"firstthe second")
    assert proxy.swallowed == 1


def test_a_server_that_is_away_looks_like_a_cut(echo: Echo, proxy: Proxy) -> None:
    proxy.target_port = 1

    assert is_cut_at_once(proxy.port)
    assert echo.got == b""
