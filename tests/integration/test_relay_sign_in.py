"""A sign-in that ends while its connections are open. A real gunicorn, a real Redis."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPResponse
from typing import Any

import pytest
import redis

from tests.support.redis import RedisServer
from tests.support.relay import USER, RelayServer, RunWriter, cursors, running_relay
from tests.support.waiting import scaled, wait_until

SECONDS = 2.0


@pytest.fixture(scope="module")
def relay(redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RelayServer]:
    limits = json.dumps({"sign_in_check_seconds": 0.1})
    with running_relay(redis_server.url, tmp_path_factory.mktemp("relay"), RELAY_LIMITS=limits) as server:
        yield server


@pytest.fixture
def run(redis_client: redis.Redis) -> RunWriter:
    return RunWriter(redis_client).start()


def signed_in(seconds: float) -> dict[str, Any]:
    return {"additional_headers": {"X-Seconds": str(seconds)}}


def test_a_socket_is_closed_with_4401_when_its_sign_in_ends(relay: RelayServer, run: RunWriter) -> None:
    began = time.monotonic()
    with relay.connect(**signed_in(SECONDS)) as browser, relay.connect(**signed_in(60)) as other:
        other.subscribe(run.run_id).read_until("live")
        browser.subscribe(run.run_id).read_until("live")
        run.say(5)
        browser.read_until_seq(run.run_id, 6)

        browser.read_to_end()

        assert (browser.socket.close_code, browser.socket.close_reason) == (4401, "sign in again")
        assert SECONDS - 0.1 < time.monotonic() - began < SECONDS + scaled(2)
        run.say(1)
        other.read_until_seq(run.run_id, 7)


def test_who_comes_back_after_a_new_sign_in_misses_nothing(relay: RelayServer, run: RunWriter) -> None:
    with relay.connect(**signed_in(1)) as browser:
        browser.subscribe(run.run_id).read_until("live")
        run.say(50)
        browser.read_to_end()
    shown = browser.shown[run.run_id]
    run.say(50)

    with relay.connect(**signed_in(60)) as again:
        again.subscribe(run.run_id, after=shown[-1]["cursor"])
        shown += again.read_until_seq(run.run_id, 101)

    assert cursors(shown) == run.cursors


def test_an_event_stream_says_that_its_sign_in_has_ended(relay: RelayServer, run: RunWriter) -> None:
    connection = HTTPConnection(*relay.address, timeout=scaled(10))
    headers = {"Accept": "text/event-stream", "X-User": USER, "X-Seconds": "1"}
    connection.request("GET", f"/runs/{run.run_id}/events", headers=headers)
    response: HTTPResponse = connection.getresponse()

    body = response.read().decode()

    assert body.startswith(f"id: {run.cursors[0]}\ndata: ")
    assert body.endswith('event: sign_in\ndata: {"message":"Sign in again."}\n\n')
    connection.close()


def test_closed_connections_are_gone(relay: RelayServer, run: RunWriter) -> None:
    wait_until(lambda: relay.state()["viewers"] == 0, what="no viewer is left of other tests")
    browsers = [relay.connect(**signed_in(1)) for _ in range(20)]

    for browser in browsers:
        browser.read_to_end()
        browser.socket.close()

    wait_until(lambda: relay.state()["viewers"] == 0, what="all have left")
