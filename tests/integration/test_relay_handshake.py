"""Who may connect, and what a client that keeps no rules gets. A real gunicorn, a real Redis."""

from __future__ import annotations

import base64
import json
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
import redis
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.support.redis import RedisServer
from tests.support.relay import Browser, RelayServer, RunWriter, running_relay
from tests.support.waiting import scaled, wait_until
from web.relay.limits import RelayLimits

CLOSE = 0x8


@pytest.fixture(scope="module")
def relay(redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RelayServer]:
    directory = tmp_path_factory.mktemp("relay")
    with running_relay(redis_server.url, directory, WEB_ORIGINS="https://chat.example") as server:
        yield server


@pytest.fixture
def run(redis_client: redis.Redis) -> RunWriter:
    return RunWriter(redis_client).start()


def test_our_own_page_may_connect(relay: RelayServer) -> None:
    for origin in (f"http://127.0.0.1:{relay.port}", f"https://127.0.0.1:{relay.port}", "https://chat.example"):
        with relay.connect(origin=origin) as browser:
            assert is_alive(browser)


def test_a_program_without_an_origin_may_connect(relay: RelayServer) -> None:
    with relay.connect() as browser:
        assert is_alive(browser)


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "https://chat.example.evil.example", "http://127.0.0.1:1", ""]
)
def test_a_foreign_page_is_refused_before_the_handshake(relay: RelayServer, origin: str) -> None:
    with pytest.raises(InvalidStatus) as refused:
        relay.connect(additional_headers={"Origin": origin})

    assert refused.value.response.status_code == 403
    error = json.loads(refused.value.response.body)["error"]
    assert error["code"] == "foreign_origin"
    assert error["detail"] == {"origin": origin}


def test_compression_is_not_accepted(relay: RelayServer) -> None:
    with relay.connect(compression="deflate") as browser:
        assert browser.socket.protocol.extensions == []


def test_a_request_that_is_no_handshake_gets_an_error(relay: RelayServer) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"http://127.0.0.1:{relay.port}/ws", timeout=scaled(5))

    assert refused.value.code == 400
    refused.value.close()


@pytest.mark.parametrize(
    ("header", "value", "status"),
    [
        ("Sec-WebSocket-Version", "12", 426),
        ("Sec-WebSocket-Key", None, 400),
    ],
)
def test_a_broken_handshake_is_named(relay: RelayServer, header: str, value: str | None, status: int) -> None:
    headers: dict[str, Any] = {**HANDSHAKE, header: value}
    connection = HTTPConnection(*relay.address, timeout=scaled(5))
    connection.request("GET", "/ws", headers={name: text for name, text in headers.items() if text is not None})

    response = connection.getresponse()

    assert response.status == status
    assert json.load(response)["error"]["code"] == "bad_handshake"
    connection.close()


def test_a_first_frame_in_the_packet_of_the_handshake_is_not_lost(relay: RelayServer, run: RunWriter) -> None:
    text = json.dumps({"op": "subscribe", "run_id": run.run_id, "after": 0}).encode()

    with raw_websocket(relay, first=client_frame(0x1, text)) as sock:
        frames = read_frames(sock, 3)

    assert [json.loads(payload).get("op") for _, payload in frames] == ["subscribed", None, "live"]


def test_someone_without_an_identity_is_asked_to_sign_in(relay: RelayServer) -> None:
    with raw_websocket(relay, user=None) as sock:
        assert close_code(sock) == 4401


def test_another_users_run_looks_like_an_absent_one(relay: RelayServer, run: RunWriter) -> None:
    with relay.connect(user="usr_thief") as browser:
        answers = []
        for run_id in (run.run_id, "run_" + "0" * 32):
            browser.subscribe(run_id)
            answer = browser.read_until("error", run_id=run_id)
            answers.append({name: value for name, value in answer.items() if name != "run_id"})

        assert answers[0] == answers[1]
        assert answers[0]["code"] == "not_found"
        assert is_alive(browser)


def test_a_run_that_is_watched_by_its_owner_is_still_closed_to_others(relay: RelayServer, run: RunWriter) -> None:
    with relay.connect() as owner, relay.connect(user="usr_thief") as thief:
        owner.subscribe(run.run_id).read_until("live")
        thief.subscribe(run.run_id).read_until("error", code="not_found")
        run.say(3)

        owner.read_until_seq(run.run_id, 4)
        assert is_alive(thief)
        assert thief.shown[run.run_id] == []


def client_frame(opcode: int, payload: bytes, *, fin: bool = True, masked: bool = True, bits: int = 0) -> bytes:
    first = (0x80 if fin else 0) | bits | opcode
    flag = 0x80 if masked else 0
    size = len(payload)
    if size < 126:
        head = bytes((first, flag | size))
    elif size < 0x10000:
        head = bytes((first, flag | 126)) + size.to_bytes(2, "big")
    else:
        head = bytes((first, flag | 127)) + size.to_bytes(8, "big")
    # A mask of zeros is a mask.
    return head + (bytes(4) if masked else b"") + payload


BAD_FRAMES = {
    "not JSON": (client_frame(0x1, b"hello"), 4400),
    "no operation": (client_frame(0x1, b'{"op":"dance"}'), 4400),
    "binary": (client_frame(0x2, b"\x00\x01"), 4400),
    "unmasked": (client_frame(0x1, b'{"op":"pong"}', masked=False), 1002),
    "compressed": (client_frame(0x1, b"\x00", bits=0x40), 1002),
    "unknown opcode": (client_frame(0x5, b""), 1002),
    "fragmented ping": (client_frame(0x9, b"", fin=False), 1002),
    "not UTF-8": (client_frame(0x1, b'{"op":"\xff"}'), 1007),
    "frame too big": (client_frame(0x1, b"x" * 20_000), 1009),
    "frame of a terabyte": (b"\x81\xff" + (1 << 40).to_bytes(8, "big") + bytes(4), 1009),
    "message too big": (
        client_frame(0x1, b"x" * 16_000, fin=False) + client_frame(0, b"x" * 16_000, fin=False) * 4,
        1009,
    ),
    "too many fragments": (client_frame(0x1, b"", fin=False) + client_frame(0, b"", fin=False) * 64, 1009),
}


@pytest.mark.parametrize("name", BAD_FRAMES)
def test_a_bad_frame_gets_its_close_code(relay: RelayServer, name: str) -> None:
    frame, code = BAD_FRAMES[name]
    with raw_websocket(relay) as sock:
        sock.sendall(frame)

        assert close_code(sock) == code


def test_a_client_that_talks_too_much_is_closed(relay: RelayServer) -> None:
    with raw_websocket(relay) as sock:
        sock.sendall(client_frame(0x1, b'{"op":"pong"}') * 60)

        assert close_code(sock) == 4429


def test_a_client_that_floods_with_pings_is_closed(relay: RelayServer) -> None:
    with raw_websocket(relay) as sock:
        sock.sendall(client_frame(0x9, b"x") * 60)

        frames = read_frames(sock, 51)
        assert [opcode for opcode, _ in frames[:50]] == [0xA] * 50
        assert int.from_bytes(frames[50][1][:2], "big") == 4429


def test_a_close_is_answered(relay: RelayServer) -> None:
    with raw_websocket(relay) as sock:
        sock.sendall(client_frame(CLOSE, b"\x03\xe8"))

        assert close_code(sock) == 1000
        assert sock.recv(1) == b""


def test_a_socket_above_the_limit_of_a_user_is_refused_and_the_others_stay(relay: RelayServer) -> None:
    browsers = [relay.connect(user="usr_many") for _ in range(RelayLimits().sockets_per_user)]
    try:
        refused = relay.connect(user="usr_many")
        with pytest.raises(ConnectionClosed):
            refused.read()
        assert refused.socket.close_code == 4429
        assert all(map(is_alive, browsers))

        with relay.connect(user="usr_other") as other:
            assert is_alive(other)
    finally:
        for browser in browsers:
            browser.socket.close()
    wait_until(lambda: relay.state()["viewers"] == 0, what="all viewers have left")
    with relay.connect(user="usr_many") as browser:
        assert is_alive(browser)


def test_a_full_process_says_that_it_is_overloaded(redis_url: str, tmp_path: Path) -> None:
    with running_relay(redis_url, tmp_path, RELAY_LIMITS='{"sockets": 2}') as full, full.connect() as a, full.connect():
        third = full.connect()

        with pytest.raises(ConnectionClosed):
            third.read()
        assert third.socket.close_code == 1013
        assert is_alive(a)


def test_one_run_too_many_is_refused_and_the_socket_stays(
    redis_url: str, redis_client: redis.Redis, tmp_path: Path
) -> None:
    runs = [RunWriter(redis_client).start().run_id for _ in range(4)]
    limits = '{"subscriptions_per_socket": 3}'
    with running_relay(redis_url, tmp_path, RELAY_LIMITS=limits) as relay, relay.connect() as browser:
        for run_id in runs:
            browser.subscribe(run_id)
        assert browser.read_until("error", run_id=runs[3])["code"] == "too_many"

        browser.send({"op": "unsubscribe", "run_id": runs[0]})
        browser.subscribe(runs[3])

        browser.read_until("live", run_id=runs[3])


def is_alive(browser: Browser) -> bool:
    return browser.socket.ping().wait(scaled(5))


HANDSHAKE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": base64.b64encode(bytes(16)).decode(),
}


def raw_websocket(relay: RelayServer, *, first: bytes = b"", user: str | None = "usr_0") -> socket.socket:
    """Shake hands by hand, with `first` in the same packet; what follows is up to the test."""
    headers = {"Host": f"127.0.0.1:{relay.port}", **HANDSHAKE, **({"X-User": user} if user else {})}
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    sock = socket.create_connection(relay.address, timeout=scaled(10))
    sock.sendall(f"GET /ws HTTP/1.1\r\n{head}\r\n".encode() + first)
    answer = b""
    while not answer.endswith(b"\r\n\r\n"):
        answer += sock.recv(1)
    assert answer.startswith(b"HTTP/1.1 101 "), answer
    return sock


def read_frames(sock: socket.socket, count: int) -> list[tuple[int, bytes]]:
    """Read (opcode, payload) of so many frames."""
    stream = sock.makefile("rb")
    frames = []
    for _ in range(count):
        first, second = stream.read(2)
        size = second & 0x7F
        if size > 125:
            size = int.from_bytes(stream.read(2 if size == 126 else 8), "big")
        frames.append((first & 0xF, stream.read(size)))
    stream.close()
    return frames


def close_code(sock: socket.socket) -> int:
    """The code of the close frame that comes next."""
    ((opcode, payload),) = read_frames(sock, 1)
    assert opcode == CLOSE, payload
    return int.from_bytes(payload[:2], "big")
