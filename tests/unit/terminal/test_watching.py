"""Following a run over connections that end in every way they can, against a scripted server without a network."""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

import httpx2
import pytest

from tests.support.stories import story
from web.terminal.activity import Situation
from web.terminal.backoff import Backoff
from web.terminal.calls import ToolCall
from web.terminal.client import Client
from web.terminal.errors import Refused, Unreachable
from web.terminal.outputs import JsonOutput, PlainOutput
from web.terminal.settings import Settings
from web.terminal.watching import Watcher
from worker.contract.cursor import BEGINNING, Cursor, parse_cursor

EVENTS = story("simple_answer")


class Cut(httpx2.AsyncByteStream):
    """A body that ends with a reset connection."""

    def __init__(self, text: bytes, *, is_cut: bool) -> None:
        self._text = text
        self._is_cut = is_cut

    async def __aiter__(self) -> AsyncIterator[bytes]:
        # In pieces that end anywhere.
        for start in range(0, len(self._text), 100):
            yield self._text[start : start + 100]
        if self._is_cut:
            raise httpx2.ReadError("reset by peer")


def stream(*parts: bytes, is_cut: bool = False) -> httpx2.Response:
    headers = {"Content-Type": "text/event-stream"}
    return httpx2.Response(200, headers=headers, stream=Cut(b"".join(parts), is_cut=is_cut))


def refusal(status: int, code: str, message: str, **headers: str) -> httpx2.Response:
    body = {"error": {"code": code, "message": message, "detail": None}}
    return httpx2.Response(
        status, json=body, headers={name.replace("_", "-"): value for name, value in headers.items()}
    )


def sse(events: Sequence[bytes]) -> bytes:
    return b"".join(b"id: %s\ndata: %s\n\n" % (cursor_of(raw).encode(), raw) for raw in events)


def cursor_of(raw: bytes) -> str:
    return str(json.loads(raw)["cursor"])


class Server:
    """Answers one request after the other as scripted, and remembers what it was asked."""

    def __init__(self, *answers: httpx2.Response | Exception) -> None:
        self._answers: Iterator[httpx2.Response | Exception] = iter(answers)
        self.cursors: list[str | None] = []

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.cursors.append(request.headers.get("Last-Event-ID"))
        answer = next(self._answers)
        if isinstance(answer, Exception):
            raise answer
        return answer


class Watched:
    """What came of following."""

    def __init__(self) -> None:
        self.out = io.StringIO()
        self.err = io.StringIO()
        self.outcome = ""
        self.waiting: list[list[str]] = []

    @property
    def events(self) -> list[bytes]:
        return [line.encode() for line in self.out.getvalue().splitlines()]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Waits that take no time, as they would have been."""
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr("web.terminal.watching.asyncio.sleep", sleep)
    monkeypatch.setattr(Backoff.__init__, "__kwdefaults__", {"spread": lambda: 1.0})
    return waits


async def follow(server: Server, tmp_path: Path, *, after: Cursor = BEGINNING, plain: bool = False) -> Watched:
    settings = Settings.from_env({"XDG_STATE_HOME": str(tmp_path), "OUTLOUD_TOKEN": "t"})
    watched = Watched()
    output = PlainOutput(watched.out, watched.err) if plain else JsonOutput(watched.out, watched.err)

    def wait(tools: Sequence[ToolCall]) -> None:
        watched.waiting.append([tool.call_id for tool in tools])

    def warn(text: str) -> None:
        watched.err.write(text)

    async with Client(settings, warn, transport=httpx2.MockTransport(server)) as client:
        watcher = Watcher(client, "run_1", output, Situation(), after=after, on_waiting=wait)
        watched.outcome = await watcher.follow()
    return watched


async def test_a_run_is_followed_to_its_end(tmp_path: Path) -> None:
    watched = await follow(Server(stream(sse(EVENTS))), tmp_path)

    assert watched.events == EVENTS
    assert watched.outcome == "completed"
    assert watched.err.getvalue() == ""


@pytest.mark.parametrize("is_cut", [True, False])
@pytest.mark.parametrize("last", range(1, len(EVENTS)))
async def test_after_a_cut_it_goes_on_behind_the_last_event(tmp_path: Path, last: int, *, is_cut: bool) -> None:
    torn = sse(EVENTS[last:])[:70]
    server = Server(stream(sse(EVENTS[:last]), torn, is_cut=is_cut), stream(sse(EVENTS[last:])))

    watched = await follow(server, tmp_path)

    assert watched.events == EVENTS
    assert server.cursors == [None, cursor_of(EVENTS[last - 1])]
    assert watched.err.getvalue() == "Connection lost. Reconnecting…\nBack online\n"


async def test_what_comes_twice_is_shown_once(tmp_path: Path) -> None:
    watched = await follow(Server(stream(sse(EVENTS[:4]), sse(EVENTS[1:]))), tmp_path)

    assert watched.events == EVENTS


async def test_a_hole_is_asked_for_again(tmp_path: Path) -> None:
    server = Server(stream(sse(EVENTS[:2]), sse(EVENTS[3:])), stream(sse(EVENTS[2:])))

    watched = await follow(server, tmp_path)

    assert watched.events == EVENTS
    assert server.cursors[1] == cursor_of(EVENTS[1])


async def test_a_server_that_restarts_is_met_again_when_it_says(tmp_path: Path, quick: list[float]) -> None:
    restarting = refusal(503, "restarting", "The server is restarting.", Retry_After="2")
    server = Server(stream(sse(EVENTS[:3]), b"retry: 4200\n\n"), restarting, stream(sse(EVENTS[3:])))

    watched = await follow(server, tmp_path)

    assert watched.events == EVENTS
    assert quick == [4.2, 2.0]


async def test_a_reset_tells_the_story_anew(tmp_path: Path) -> None:
    reset = b'event: reset\nid: 0\ndata: {"run_id":"run_1","reason":"forked","cursor":"0"}\n\n'
    server = Server(stream(reset, sse(EVENTS)))

    watched = await follow(server, tmp_path, after=parse_cursor("3-0123abcd"))

    assert watched.events == [b'{"op":"reset","run_id":"run_1","reason":"forked","cursor":"0"}', *EVENTS]
    assert server.cursors == ["3-0123abcd"]


async def test_a_reset_in_the_middle_leaves_nothing_of_the_old_story(tmp_path: Path) -> None:
    reset = b'event: reset\nid: 0\ndata: {"run_id":"run_1","reason":"forked","cursor":"0"}\n\n'
    other = story("cancelled")

    watched = await follow(Server(stream(sse(EVENTS[:6]), reset, sse(other))), tmp_path, plain=True)
    alone = await follow(Server(stream(sse(other))), tmp_path, plain=True)

    assert watched.outcome == "cancelled"
    assert watched.out.getvalue().endswith(alone.out.getvalue())
    assert "The whole story follows again." in watched.err.getvalue()


async def test_a_run_that_is_lost_is_said_to_be(tmp_path: Path) -> None:
    gone = b'event: gone\ndata: {"run_id":"run_1"}\n\n'

    watched = await follow(Server(stream(sse(EVENTS[:2]), gone)), tmp_path, plain=True)

    assert watched.outcome == "gone"
    assert watched.err.getvalue() == "The server has lost this run. Ask again.\n"


async def test_behind_the_last_event_only_the_outcome_is_asked_for(tmp_path: Path) -> None:
    record = httpx2.Response(200, json={"run_id": "run_1", "thread_id": "thr_1", "state": "failed"})

    watched = await follow(Server(httpx2.Response(204), record), tmp_path, after=Cursor(9))

    assert watched.outcome == "failed"
    assert watched.events == []


@pytest.mark.parametrize("status", [401, 403, 404])
async def test_a_refusal_is_final_and_in_the_server_s_words(tmp_path: Path, status: int) -> None:
    with pytest.raises(Refused, match="No, says the server"):
        await follow(Server(stream(sse(EVENTS[:2])), refusal(status, "no", "No, says the server.")), tmp_path)


async def test_a_sign_in_that_ends_is_said_to_have_ended(tmp_path: Path) -> None:
    signed_out = b'event: sign_in\ndata: {"message":"Sign in again."}\n\n'

    with pytest.raises(Refused, match="Your sign-in has ended"):
        await follow(Server(stream(sse(EVENTS[:2]), signed_out)), tmp_path)


@pytest.mark.parametrize("status", [429, 500, 502, 503])
async def test_a_server_in_trouble_is_asked_again(tmp_path: Path, status: int) -> None:
    server = Server(httpx2.Response(status, text="<html>Bad gateway</html>"), stream(sse(EVENTS)))

    watched = await follow(server, tmp_path)

    assert watched.events == EVENTS
    assert f"The server answered with status {status}. Reconnecting…" in watched.err.getvalue()


async def test_a_server_that_is_away_at_first_is_waited_for(tmp_path: Path) -> None:
    away = httpx2.ConnectError("All connection attempts failed")

    watched = await follow(Server(away, away, stream(sse(EVENTS))), tmp_path)

    assert watched.events == EVENTS
    assert watched.err.getvalue() == "http://127.0.0.1:8000 cannot be reached. Reconnecting…\nBack online\n"


async def test_a_certificate_that_is_not_trusted_is_no_matter_of_time(tmp_path: Path) -> None:
    error = httpx2.ConnectError("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed certificate")

    with pytest.raises(Unreachable, match="SSL_CERT_FILE, or use --insecure"):
        await follow(Server(error), tmp_path)


async def test_something_else_than_an_event_stream_is_no_matter_of_time(tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match="does not answer as outloud does"):
        await follow(Server(httpx2.Response(200, text="hello")), tmp_path)


async def test_another_address_is_named(tmp_path: Path) -> None:
    moved = httpx2.Response(301, headers={"Location": "https://outloud.example/api/runs"})

    with pytest.raises(Refused, match="sends us on to https://outloud"):
        await follow(Server(moved), tmp_path)


async def test_who_waits_for_a_person_is_told_of_until_it_is_decided(tmp_path: Path) -> None:
    watched = await follow(Server(stream(sse(story("approvals")))), tmp_path)

    assert watched.waiting[1:4] == [[], ["a1.t1"], []]
    assert watched.waiting[-1] == []
