"""Signing in as programs and proxies do it: real gunicorn, real headers, real peers."""

from __future__ import annotations

import contextlib
import http.client
import json
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect as open_websocket

from tests.support.issuer import AUDIENCE, ISSUER, Issuer, claims, rsa_key, running_issuer, signed
from tests.support.redis import connect, new_server
from tests.support.system import System
from tests.support.waiting import scaled
from tests.support.web import CATALOGUE
from worker.contract import codec, keys

Headers = list[tuple[str, str]]
HEADER = "X-Forwarded-User"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    directory = tmp_path_factory.mktemp("identity")
    system = System(directory, new_server(directory / "redis"))
    try:
        system.redis.start()
        with connect(system.redis_url) as client:
            client.set(keys.CATALOGUE, codec.encode(CATALOGUE))
        yield system
    finally:
        system.stop()


@pytest.fixture(scope="module")
def behind_proxy(server: System) -> str:
    """The address of a web process whose trusted proxy is this test."""
    return server.url_of(server.start_web(ready="/healthz", PROXY_ADDRESSES="127.0.0.0/8", PROXY_USER_HEADER=HEADER))


@pytest.fixture(scope="module")
def beside_proxy(server: System) -> str:
    """… and of one whose proxy is somewhere else."""
    return server.url_of(server.start_web(ready="/healthz", PROXY_ADDRESSES="10.9.8.7", PROXY_USER_HEADER=HEADER))


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with running_issuer() as running:
        running.add("k", rsa_key())
        yield running


@pytest.fixture(scope="module")
def with_tokens(server: System, issuer: Issuer) -> str:
    web = server.start_web(
        ready="/healthz",
        JWT_JWKS_URL=issuer.url,
        JWT_AUDIENCE=AUDIENCE,
        JWT_ISSUER=ISSUER,
        JWT_LEEWAY_SECONDS="0",
    )
    return server.url_of(web)


def get(url: str, path: str, headers: Headers) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=scaled(20))
    connection.putrequest("GET", path)
    for name, value in headers:
        connection.putheader(name, value)
    connection.endheaders()
    response = connection.getresponse()
    answer = response.status, response.read()
    connection.close()
    return answer


def close_code(url: str, headers: Headers) -> int | None:
    """How the server closes a socket at once; None when it does not."""
    address = url.replace("http", "ws", 1) + "/ws"
    with open_websocket(address, additional_headers=headers, compression=None, proxy=None) as socket:
        try:
            socket.send(json.dumps({"op": "subscribe", "run_id": "run_0", "after": 0}))
            assert json.loads(socket.recv(timeout=scaled(10)))["code"] == "not_found"
        except ConnectionClosed:
            return socket.close_code
    return None


def test_a_proxy_names_users_of_calls_and_sockets(behind_proxy: str) -> None:
    anna = [("X-Forwarded-User", "anna")]

    status, body = get(behind_proxy, "/api/session", anna)

    assert (status, json.loads(body)["name"]) == (200, "anna")
    assert close_code(behind_proxy, anna) is None
    assert close_code(behind_proxy, []) == 4401


@pytest.mark.parametrize(
    "headers",
    [
        [("X-Forwarded-User", "anna"), ("X-Forwarded-User", "eve")],
        [("X-Forwarded-User", "anna,eve")],
        [("X_Forwarded_User", "eve")],
        [("X-Forwarded_User", "eve")],
        [("X-Forwarded-User", "")],
        [],
    ],
    ids=["twice", "comma", "underscores", "underscore", "empty", "none"],
)
def test_a_header_that_may_not_be_the_proxy_s_names_nobody(behind_proxy: str, headers: Headers) -> None:
    status, _ = get(behind_proxy, "/api/session", headers)

    assert status == 401
    assert close_code(behind_proxy, headers) == 4401


def test_whoever_is_not_the_proxy_cannot_pretend_to_be(beside_proxy: str) -> None:
    headers = [("X-Forwarded-User", "anna"), ("X-Forwarded-For", "10.9.8.7"), ("X-Real-IP", "10.9.8.7")]

    status, _ = get(beside_proxy, "/api/session", headers)

    assert status == 401
    assert close_code(beside_proxy, headers) == 4401


def test_a_program_sends_its_token_with_the_handshake(with_tokens: str, issuer: Issuer) -> None:
    good = [("Authorization", f"Bearer {signed(claims(), issuer.keys['k'], key_id='k')}")]
    bad = [("Authorization", f"Bearer {signed(claims(), rsa_key(), key_id='k')}")]

    assert close_code(with_tokens, good) is None
    assert close_code(with_tokens, bad) == 4401


def test_a_socket_ends_with_its_token(with_tokens: str, issuer: Issuer) -> None:
    token = signed(claims(seconds=2), issuer.keys["k"], key_id="k")
    address = with_tokens.replace("http", "ws", 1) + "/ws"
    headers = {"Authorization": f"Bearer {token}"}

    with (
        open_websocket(address, additional_headers=headers, compression=None, proxy=None) as socket,
        contextlib.suppress(ConnectionClosed),
    ):
        socket.recv(timeout=scaled(10))

    assert socket.close_code == 4401


def test_an_event_stream_ends_with_its_token(with_tokens: str, issuer: Issuer) -> None:
    key = issuer.keys["k"]
    connection = http.client.HTTPConnection(urlsplit(with_tokens).netloc, timeout=scaled(20))
    headers = {"Authorization": f"Bearer {signed(claims(), key, key_id='k')}", "Content-Type": "application/json"}
    connection.request("POST", "/api/runs", json.dumps({"message": "hello"}), headers)
    run = json.loads(connection.getresponse().read())
    connection.close()
    short = signed(claims(seconds=2), key, key_id="k")

    status, body = get(
        with_tokens, run["events_url"], [("Accept", "text/event-stream"), ("Authorization", f"Bearer {short}")]
    )

    assert status == 200
    assert body.endswith(b'event: sign_in\ndata: {"message":"Sign in again."}\n\n')


def test_a_huge_token_is_refused(with_tokens: str, issuer: Issuer) -> None:
    token = signed(claims(more="x" * 6000), issuer.keys["k"], key_id="k")

    status, _ = get(with_tokens, "/api/session", [("Authorization", f"Bearer {token}")])

    assert status in (400, 401, 431)
