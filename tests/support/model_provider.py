"""A model provider on a real socket, scripted by the test: OpenAI's and Anthropic's protocols, and every way to fail.

    with ModelProvider() as provider:
        provider.reply(thinking("Let me see"), call("word_count", document="notes.md"))
        provider.when("triage", then=[reply(text("Hel", "lo", pause=0.01))])
        provider.fail(429, times=2, retry_after=1)
        start_system(**provider.environment())      # or environment("anthropic")

Failures of `fail` come first, then the replies for the agent that asks, then `decide`, then `reply`'s.
"""

from __future__ import annotations

import asyncio
import json
import re
import socket
import struct
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from tests.support.model_script import (
    Answer,
    Ending,
    Part,
    Raw,
    Refusal,
    Reply,
    Silence,
    Wait,
    call,
    refusal,
    reply,
    text,
    thinking,
    wait,
)
from tests.support.model_wire import PROTOCOLS, Anthropic, Piece, Protocol

__all__ = [
    "KEY",
    "ModelProvider",
    "ModelRequest",
    "Raw",
    "Refusal",
    "Reply",
    "Silence",
    "call",
    "refusal",
    "reply",
    "text",
    "thinking",
    "wait",
]

#: The key of `environment`; no test's output may contain it.
KEY = "sk-test-0123456789abcdef-never-show-this"

_AGENT = re.compile(r'You are the agent "(\w+)"')
_POLL_SECONDS = 0.005


class _Gone(Exception):
    """Raised when the client has closed its connection."""


@dataclass
class ModelRequest:
    """A request as it arrived."""

    path: str
    #: Names in lower case.
    headers: dict[str, str]
    body: dict[str, Any]
    #: Set when nothing more will be sent.
    ended: threading.Event = field(default_factory=threading.Event)
    #: Whether the client went away before the end.
    abandoned: bool = False

    @property
    def protocol(self) -> Protocol:
        return PROTOCOLS[self.path]

    @property
    def system(self) -> str:
        """The instructions."""
        return self.protocol.system(self.body)

    @property
    def agent(self) -> str | None:
        """The agent that asks, by its instructions."""
        found = _AGENT.search(self.system)
        return found.group(1) if found else None

    @property
    def key(self) -> str:
        return self.protocol.key(self.headers)

    @property
    def tools(self) -> list[str]:
        """Names of the tools on offer."""
        return [tool.get("function", tool)["name"] for tool in self.body.get("tools", [])]


class ModelProvider:
    """A running provider; methods may be called from any OS thread, and while requests are under way."""

    def __init__(self) -> None:
        self.requests: list[ModelRequest] = []
        #: Connections accepted, and the most requests that were under way at once.
        self.connections = 0
        self.most_at_once = 0
        self._at_once = 0
        self._failures: deque[Answer] = deque()
        self._by_agent: dict[str, deque[Answer]] = defaultdict(deque)
        self._replies: deque[Answer] = deque()
        self._decide: Callable[[ModelRequest], Answer | None] = lambda _: None
        self._loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._loop.run_forever, name="model provider", daemon=True)
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result()
        self.port: int = self._server.sockets[0].getsockname()[1]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def base_url(self) -> str:
        """For `OPENAI_BASE_URL`."""
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def anthropic_url(self) -> str:
        """For `ANTHROPIC_BASE_URL`."""
        return f"http://127.0.0.1:{self.port}"

    def environment(self, provider: Literal["openai", "anthropic"] = "openai", **more: str) -> dict[str, str]:
        """The variables that make a worker ask here; `MODEL` is `test-model`."""
        name = provider.upper()
        url = self.base_url if provider == "openai" else self.anthropic_url
        return {"MODEL": f"{provider}:test-model", f"{name}_API_KEY": KEY, f"{name}_BASE_URL": url, **more}

    def reply(self, *parts: Part | str, ending: Ending = "whole", error: Refusal | None = None, **more: Any) -> None:
        """Answer the next request with these parts."""
        self._replies.append(reply(*parts, ending=ending, error=error, **more))

    def when(self, agent: str, *, then: Sequence[Answer | Part | str]) -> None:
        """Answer this agent's requests with these, one after another; a part or text alone is a whole answer."""
        plain = (Reply, Refusal, Raw, Silence)
        self._by_agent[agent] += [item if isinstance(item, plain) else reply(item) for item in then]

    def decide(self, function: Callable[[ModelRequest], Answer | None]) -> None:
        """Let a function choose each answer; None leaves the choice to what comes after it."""
        self._decide = function

    def fail(self, status: int, *, times: int = 1, retry_after: float | None = None, **more: Any) -> None:
        """Answer the next requests with an HTTP error: `message`, `code` and `kind` as in `refusal`."""
        self._failures.extend([refusal(status, retry_after=retry_after, **more)] * times)

    def misbehave(self, answer: Raw | Silence | Reply, *, times: int = 1) -> None:
        """Answer the next requests like this, whoever asks."""
        self._failures.extend([answer] * times)

    def clear(self) -> None:
        """Forget the script and what was recorded: for the next test of a shared provider."""
        for script in (self.requests, self._failures, self._by_agent, self._replies):
            script.clear()
        self._decide = lambda _: None

    def requests_of(self, agent: str) -> list[ModelRequest]:
        return [request for request in self.requests if request.agent == agent]

    def stop(self) -> None:
        """Close everything; from then on connections to `port` are refused."""
        if self._thread.is_alive():
            asyncio.run_coroutine_threadsafe(self._close(), self._loop).result()
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    async def _listen(self) -> asyncio.Server:
        return await asyncio.start_server(self._connected, "127.0.0.1", 0, backlog=256)

    async def _close(self) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        try:
            while (request := await _read(reader)) is not None and await self._serve(request, reader, writer):
                pass
        except (_Gone, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _serve(self, request: ModelRequest, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; says whether the connection can take another one."""
        self.requests.append(request)
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            return await _Exchange(request, reader, writer).answer(self._answer(request))
        except (_Gone, ConnectionError):
            request.abandoned = True
            raise
        finally:
            self._at_once -= 1
            request.ended.set()

    def _answer(self, request: ModelRequest) -> Answer:
        if request.path not in PROTOCOLS:
            return Refusal(404, f"no such path: {request.path}")
        if self._failures:
            return self._failures.popleft()
        if (agent := request.agent) and self._by_agent[agent]:
            return self._by_agent[agent].popleft()
        if (decided := self._decide(request)) is not None:
            return decided
        if self._replies:
            return self._replies.popleft()
        return Refusal(400, f"the test's script has no answer left for {request.agent or 'this request'}")


class _Exchange:
    """Writes the answer to one request."""

    def __init__(self, request: ModelRequest, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._request = request
        self._reader = reader
        self._writer = writer
        self._protocol = PROTOCOLS.get(request.path, Anthropic())

    async def answer(self, answer: Answer) -> bool:
        match answer:
            case Silence(how="hang"):
                return await self._hang()
            case Silence(how=how):
                return self._leave(reset=how == "reset")
            case Refusal():
                body = json.dumps(self._protocol.error(answer)).encode()
                return await self._whole(answer.status, "application/json", body, dict(answer.headers))
            case Raw():
                return await self._whole(answer.status, answer.content_type, answer.body, {})
            case Reply() if self._request.body.get("stream"):
                return await self._stream(answer)
            case _:
                body = json.dumps(self._protocol.whole(answer, self._model)).encode()
                return await self._whole(200, "application/json", body, {})

    @property
    def _model(self) -> str:
        return str(self._request.body.get("model", ""))

    async def _stream(self, answer: Reply) -> bool:
        chunked = answer.ending != "unsaid"
        framing = {"transfer-encoding": "chunked"} if chunked else {"connection": "close"}
        self._head(200, {"content-type": "text/event-stream", **framing})
        for piece in self._protocol.stream(answer, self._model):
            if piece.data:
                self._writer.write(b"%x\r\n%s\r\n" % (len(piece.data), piece.data) if chunked else piece.data)
                await self._writer.drain()
            await self._pause(piece)
        if answer.ending == "hang":
            return await self._hang()
        if answer.ending in ("fin", "reset", "unsaid"):
            return self._leave(reset=answer.ending == "reset")
        self._writer.write(b"0\r\n\r\n")
        await self._writer.drain()
        return True

    async def _whole(self, status: int, content_type: str, body: bytes, headers: dict[str, str]) -> bool:
        self._head(status, {"content-type": content_type, "content-length": str(len(body)), **headers})
        self._writer.write(body)
        await self._writer.drain()
        return True

    def _head(self, status: int, headers: dict[str, str]) -> None:
        lines = [f"HTTP/1.1 {status} Status", *(f"{name}: {value}" for name, value in headers.items())]
        self._writer.write("\r\n".join([*lines, "", ""]).encode())

    async def _pause(self, piece: Piece) -> None:
        if piece.wait is not None:
            await self._until(piece.wait)
        elif piece.pause:
            await self._until(Wait(piece.pause))
        elif self._reader.at_eof():
            raise _Gone

    async def _until(self, waiting: Wait) -> None:
        """Wait, and notice when the client goes away."""
        loop = asyncio.get_running_loop()
        end = loop.time() + waiting.until if isinstance(waiting.until, int | float) else None
        while not (loop.time() >= end if end is not None else _is_set(waiting.until)):
            if self._reader.at_eof():
                raise _Gone
            await asyncio.sleep(_POLL_SECONDS)

    async def _hang(self) -> bool:
        await self._until(Wait(threading.Event()))
        return False

    def _leave(self, *, reset: bool) -> bool:
        if reset:
            raw: socket.socket = self._writer.get_extra_info("socket")
            # No lingering: the kernel sends RST in the place of FIN.
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._writer.transport.abort()
        return False


def _is_set(until: float | threading.Event) -> bool:
    return isinstance(until, threading.Event) and until.is_set()


async def _read(reader: asyncio.StreamReader) -> ModelRequest | None:
    """Read one request; None when the client has closed the connection between two."""
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.strip().split("\r\n")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return ModelRequest(path=first.split(" ")[1].split("?")[0], headers=headers, body=json.loads(body or b"{}"))
