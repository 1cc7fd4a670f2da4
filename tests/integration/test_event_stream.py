"""A run as Server-Sent Events, over a real gunicorn and a real Redis."""

from __future__ import annotations

import json
import signal
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path

import pytest
import redis

from tests.support.redis import RedisServer
from tests.support.relay import USER, RelayServer, RunWriter, running_relay
from tests.support.waiting import scaled, wait_until
from web.relay.limits import RelayLimits

QUICK = '{"comment_seconds": 0.3, "audit_seconds": 0.3}'


@pytest.fixture(scope="module")
def relay(redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RelayServer]:
    with running_relay(redis_server.url, tmp_path_factory.mktemp("relay"), RELAY_LIMITS=QUICK) as server:
        yield server


@pytest.fixture
def run(redis_client: redis.Redis) -> RunWriter:
    return RunWriter(redis_client).start()


class Stream:
    """An open event stream, read as an EventSource reads it."""

    def __init__(
        self,
        relay: RelayServer,
        run_id: str,
        *,
        after: str = "",
        last_event_id: str = "",
        user: str = USER,
        method: str = "GET",
    ) -> None:
        self._connection = HTTPConnection(*relay.address, timeout=scaled(10))
        headers = {"Accept": "text/event-stream", "X-User": user}
        if last_event_id:
            headers["Last-Event-ID"] = last_event_id
        query = f"?after={after}" if after else ""
        self._connection.request(method, f"/runs/{run_id}/events{query}", headers=headers)
        self.response: HTTPResponse = self._connection.getresponse()

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *exc: object) -> None:
        self.response.close()
        self._connection.close()

    def read(self) -> dict[str, str] | None:
        """Take one block of lines, {field: value}; None at the end. A comment has the field ''."""
        block: dict[str, str] = {}
        while line := self.response.readline().decode():
            if line == "\n":
                return block
            field, _, value = line.rstrip("\n").partition(":")
            block[field] = value.removeprefix(" ")
        return None

    def read_events(self, count: int) -> list[str]:
        """The cursors of the next events."""
        cursors: list[str] = []
        while len(cursors) < count:
            block = self.read()
            assert block is not None, f"the stream ended after {cursors}"
            if "data" in block and "event" not in block:
                assert json.loads(block["data"])["cursor"] == block["id"]
                cursors.append(block["id"])
        return cursors


def test_a_run_is_followed_to_its_last_event_and_the_response_ends(relay: RelayServer, run: RunWriter) -> None:
    with Stream(relay, run.run_id) as stream:
        assert stream.response.status == 200
        assert stream.response.headers["Content-Type"] == "text/event-stream"
        assert stream.response.headers["X-Accel-Buffering"] == "no"
        assert stream.read_events(1) == run.cursors
        run.say(300).finish()

        assert stream.read_events(301) == run.cursors[1:]
        assert stream.read() is None


def test_a_finished_run_is_told_as_a_whole(relay: RelayServer, run: RunWriter) -> None:
    run.say(1500).finish()

    with Stream(relay, run.run_id) as stream:
        assert stream.read_events(run.last) == run.cursors
        assert stream.read() is None


def test_a_client_that_comes_back_with_last_event_id_misses_nothing(relay: RelayServer, run: RunWriter) -> None:
    with ThreadPoolExecutor() as pool:
        writing = pool.submit(lambda: run.say(1500).finish())
        seen: list[str] = []
        for count in (1, 40, 300, 7):
            with Stream(relay, run.run_id, after="0", last_event_id=seen[-1] if seen else "") as stream:
                seen += stream.read_events(count)
        writing.result()
    with Stream(relay, run.run_id, after=seen[-1]) as stream:
        seen += stream.read_events(run.last - len(seen))

    assert seen == run.cursors


def test_who_has_seen_the_last_event_is_told_not_to_come_again(relay: RelayServer, run: RunWriter) -> None:
    run.say(3).finish()

    with Stream(relay, run.run_id, last_event_id=run.cursors[-1]) as stream:
        assert stream.response.status == 204


@pytest.mark.parametrize(
    ("cursor", "reason"), [("3-00000000", "forked"), ("99-12345678", "ahead"), ("nonsense", "unreadable")]
)
def test_a_cursor_that_does_not_prove_itself_gives_a_reset_and_the_whole_story(
    relay: RelayServer, run: RunWriter, cursor: str, reason: str
) -> None:
    run.say(9)

    with Stream(relay, run.run_id, last_event_id=cursor) as stream:
        block = stream.read()
        assert block is not None
        assert (block["event"], block["id"]) == ("reset", "0")
        assert json.loads(block["data"]) == {"run_id": run.run_id, "reason": reason, "cursor": "0"}
        assert stream.read_events(10) == run.cursors


def test_a_run_that_the_server_loses_ends_the_response(
    relay: RelayServer, run: RunWriter, redis_client: redis.Redis
) -> None:
    with Stream(relay, run.run_id) as stream:
        stream.read_events(1)
        redis_client.flushall()

        blocks = list(iter(stream.read, None))

        assert blocks[-1] == {"event": "gone", "data": f'{{"run_id":"{run.run_id}"}}'}
        assert all(block == {"": ""} for block in blocks[:-1])
    with Stream(relay, run.run_id, last_event_id=run.cursors[0]) as again:
        assert again.response.status == 404


def test_a_quiet_stream_gets_comments(relay: RelayServer, run: RunWriter) -> None:
    with Stream(relay, run.run_id) as stream:
        stream.read_events(1)

        assert stream.read() == {"": ""}
        assert stream.read() == {"": ""}


def test_a_run_without_events_begins_at_once(relay: RelayServer, redis_client: redis.Redis) -> None:
    run = RunWriter(redis_client)
    with Stream(relay, run.run_id) as stream:
        assert stream.response.status == 200
        run.start()

        assert stream.read_events(1) == run.cursors


def test_another_users_run_looks_like_an_absent_one(relay: RelayServer, run: RunWriter) -> None:
    answers = []
    for run_id in (run.run_id, "run_" + "0" * 32):
        with Stream(relay, run_id, user="usr_thief") as stream:
            answers.append((stream.response.status, stream.response.headers.items(), stream.response.read()))

    assert answers[0] == answers[1]
    assert answers[0][0] == 404
    assert json.loads(answers[0][2])["error"]["code"] == "not_found"


def test_a_stream_that_was_refused_is_counted_as_that_and_not_as_cut(relay: RelayServer, run: RunWriter) -> None:
    before = relay.state()["closed"]

    with Stream(relay, run.run_id, user="usr_thief") as stream:
        assert stream.response.status == 404
        stream.response.read()

    wait_until(lambda: relay.state()["closed"] != before)
    name = "event_stream 4404"
    assert relay.state()["closed"] == {**before, name: before.get(name, 0) + 1}


def test_too_many_connections_of_a_user_are_refused(relay: RelayServer, run: RunWriter) -> None:
    streams = [Stream(relay, run.run_id) for _ in range(RelayLimits().sockets_per_user)]

    with Stream(relay, run.run_id) as one_more:
        assert one_more.response.status == 429
        assert json.loads(one_more.response.read())["error"]["code"] == "too_many"

    for stream in streams:
        stream.__exit__()
    wait_until(lambda: relay.state()["viewers"] == 0, what="the streams are closed")


def test_only_the_head_is_answered_to_head(relay: RelayServer, run: RunWriter) -> None:
    with Stream(relay, run.run_id, method="HEAD") as stream:
        assert stream.response.status == 200
        assert stream.response.headers["Content-Type"] == "text/event-stream"
        assert stream.response.read() == b""
    assert relay.state()["viewers"] == 0


def test_a_stopping_process_says_when_to_come_back_and_ends_the_response(
    redis_url: str, run: RunWriter, tmp_path: Path
) -> None:
    with running_relay(redis_url, tmp_path) as relay, Stream(relay, run.run_id) as stream:
        stream.read_events(1)

        relay.process.send(signal.SIGTERM)

        block = stream.read()
        assert block is not None
        assert 0 <= int(block["retry"]) <= 3000
        assert stream.read() is None
        stream.__exit__()
        assert relay.process.wait() == 0


def test_a_client_that_goes_away_is_noticed(relay: RelayServer, run: RunWriter) -> None:
    with socket.create_connection(relay.address, timeout=scaled(10)) as sock:
        request = f"GET /runs/{run.run_id}/events HTTP/1.1\r\nHost: localhost\r\nX-User: {USER}\r\n\r\n"
        sock.sendall(request.encode())
        assert sock.recv(15) == b"HTTP/1.1 200 OK"

    wait_until(lambda: relay.state()["viewers"] == 0, what="the viewer has left")
