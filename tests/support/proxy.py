"""A TCP proxy on loopback that fails on demand.

It delays, falls silent one way or both, cuts every connection, refuses new ones, hands on single bytes, and forwards a
request but swallows its reply. What is held while it is silent comes late, as from a network that was cut for a while.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Literal, TypeVar, cast

import uvloop

T = TypeVar("T")

#: `up`: from the client to the server.
Way = Literal["up", "down"]

#: Held bytes of one direction above which the sender is left waiting.
_MAX_HELD_BYTES = 256 * 1024
#: Stand in a queue of bytes: the sender has finished, or is gone.
_EOF, _GONE = b"", None

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


@dataclass(frozen=True)
class Trouble:
    """How a proxy behaves now."""

    #: Each piece comes this much later, in seconds.
    delay: float = 0.0
    #: Directions in which nothing gets through.
    silent: frozenset[Way] = frozenset()
    #: Bytes in one piece; 0: as they come.
    slices: int = 0
    #: New connections are cut at once.
    refuses: bool = False


NONE = Trouble()


class ProxyLoop:
    """An OS thread with an event loop, for any number of proxies."""

    def __init__(self) -> None:
        self.loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="proxy", daemon=True)
        self._thread.start()

    def call(self, function: Callable[[], T]) -> T:
        """Call a function on the loop and wait for what it returns."""

        async def call() -> T:
            return function()

        return asyncio.run_coroutine_threadsafe(call(), self.loop).result()

    def listen(self, factory: Callable[[], asyncio.Protocol], sock: socket.socket) -> asyncio.AbstractServer:
        return asyncio.run_coroutine_threadsafe(self.loop.create_server(factory, sock=sock), self.loop).result()

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()

    def _run(self) -> None:
        self.loop.run_forever()
        # What was aborted last still has to be taken down.
        self.loop.run_until_complete(asyncio.sleep(0.01))


class Proxy:
    """Forwards to a port of this machine. Its switches may be turned from any OS thread but that of its loop.

    Args:
        loop: None gives it one of its own.
    """

    def __init__(self, target_port: int, loop: ProxyLoop | None = None) -> None:
        self.target_port = target_port
        self._own = None if loop else ProxyLoop()
        self._host = loop or cast("ProxyLoop", self._own)
        listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port: int = listener.getsockname()[1]
        self.trouble = NONE
        self.connections: set[_Connection] = set()
        self.swallowed = 0
        self._swallow: bytes | None = None
        self._swallows_left = 0
        self._server = self._host.listen(self._accepted, listener)

    def trouble_with(self, **changes: object) -> None:
        """Change how it behaves from now on; see `Trouble`."""
        self._set(replace(self.trouble, **changes))  # type: ignore[arg-type]

    def heal(self) -> None:
        """Behave again; what was held goes on its way."""
        self._swallow = None
        self._set(NONE)

    def swallow_reply_to(self, part: bytes | None, *, times: int = 1) -> None:
        """Forward the next requests that contain `part`, then drop their replies and cut their connections.

        None: no more.
        """
        self._swallows_left = times
        self._swallow = part

    def cut(self, *, reset: bool = False) -> None:
        """Close every connection, now; with `reset` as if the other end had crashed."""

        def cut() -> None:
            for connection in tuple(self.connections):
                connection.cut(reset=reset)

        self._host.call(cut)

    def close(self) -> None:
        self._host.call(self._server.close)
        self.cut()
        if self._own is not None:
            self._own.close()

    def takes_reply_to(self, request: bytes) -> bool:
        """Whether the reply to this request is to be swallowed; counts it. On the loop."""
        if self._swallow is None or self._swallow not in request:
            return False
        self._swallows_left -= 1
        if self._swallows_left <= 0:
            self._swallow = None
        return True

    def _set(self, trouble: Trouble) -> None:
        def change() -> None:
            self.trouble = trouble
            for connection in tuple(self.connections):
                connection.move()

        self._host.call(change)

    def _accepted(self) -> asyncio.Protocol:
        return _Connection(self, self._host.loop).near


class _Connection:
    """A client's connection and ours to the server."""

    def __init__(self, proxy: Proxy, loop: asyncio.AbstractEventLoop) -> None:
        self.proxy = proxy
        self.loop = loop
        self.near = _End(self, "up")
        self.far = _End(self, "down")
        self.near.other, self.far.other = self.far, self.near
        #: The server's next words go nowhere.
        self.is_swallowing = False
        self._unanswered = b""
        self._opening: asyncio.Task[None] | None = None

    def opened(self) -> None:
        if self.proxy.trouble.refuses:
            self.near.drop(reset=True)
            return
        self.proxy.connections.add(self)
        self._opening = self.loop.create_task(self._open())

    def ended(self) -> None:
        if self.near.is_gone and (self.far.is_gone or self.far.transport is None):
            self.proxy.connections.discard(self)

    def cut(self, *, reset: bool = False) -> None:
        self.proxy.connections.discard(self)
        for end in (self.near, self.far):
            end.drop(reset=reset)

    def move(self) -> None:
        for end in (self.near, self.far):
            end.move()

    def deliver_without_reply(self, request: bytes) -> None:
        """Near is cut before the server has the request, so that the reply goes nowhere."""
        self.is_swallowing = True
        self.near.drop(reset=False)
        self._unanswered = request
        self._deliver()

    async def _open(self) -> None:
        try:
            await self.loop.create_connection(lambda: self.far, "127.0.0.1", self.proxy.target_port)
        except OSError:
            self.cut(reset=True)
            return
        if self._unanswered:
            self._deliver()
            return
        if self.near.is_gone and not self.near.has_waiting:
            self.far.drop(reset=False)
        self.near.move()

    def _deliver(self) -> None:
        # A client that writes at once may be faster than our connection to the server.
        if self.far.transport is not None:
            request, self._unanswered = self._unanswered, b""
            self.far.transport.write(request)
            self.proxy.swallowed += 1


class _End(asyncio.Protocol):
    """One socket of a connection: what it receives goes to the `other` one."""

    def __init__(self, connection: _Connection, way: Way) -> None:
        self._connection = connection
        self._way = way
        self.other: _End
        self.transport: asyncio.Transport | None = None
        self.is_gone = False
        #: Received and not handed on: when it is due, and what.
        self._waiting: deque[tuple[float, bytes | None]] = deque()
        self._waiting_bytes = 0
        self._next: asyncio.Handle | None = None

    @property
    def has_waiting(self) -> bool:
        return bool(self._waiting)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        if self._way == "up":
            self._connection.opened()

    def data_received(self, data: bytes) -> None:
        if self._connection.is_swallowing:
            self._connection.cut()
        elif self._way == "up" and self._connection.proxy.takes_reply_to(data):
            self._connection.deliver_without_reply(data)
        else:
            self._take(data)

    def eof_received(self) -> bool:
        self._take(_EOF)
        return True

    def connection_lost(self, error: Exception | None) -> None:
        self.is_gone = True
        if not self._connection.is_swallowing:
            self._take(_GONE)
        self._connection.ended()

    def pause_writing(self) -> None:
        if self.other.transport is not None and not self.other.is_gone:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.other.transport is not None and not self.other.is_gone:
            self.other.transport.resume_reading()

    def drop(self, *, reset: bool) -> None:
        self._waiting.clear()
        if self.transport is None or self.is_gone:
            return
        if reset:
            with contextlib.suppress(OSError):
                sock = self.transport.get_extra_info("socket")
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self.transport.abort()

    def move(self) -> None:
        """Hand on what may go now."""
        self._next = None
        loop = self._connection.loop
        while self._waiting and self.other.transport is not None:
            trouble = self._connection.proxy.trouble
            due, piece = self._waiting[0]
            if self._way in trouble.silent:
                return
            if trouble.delay and due > loop.time():
                self._move_later(loop.call_at(due, self.move))
                return
            if trouble.slices and piece and len(piece) > trouble.slices:
                self._waiting[0] = due, piece[trouble.slices :]
                self._hand_on(piece[: trouble.slices])
                # In the next round of the loop, since what is written in one round goes out as one.
                self._move_later(loop.call_soon(self.move))
                return
            self._waiting.popleft()
            self._hand_on(piece)
        self._read_on()

    def _take(self, piece: bytes | None) -> None:
        if self.other.transport is not None and not self._waiting and self._connection.proxy.trouble == NONE:
            self._hand_on(piece)
            return
        self._waiting.append((self._connection.loop.time() + self._connection.proxy.trouble.delay, piece))
        self._waiting_bytes += len(piece or b"")
        if self._waiting_bytes > _MAX_HELD_BYTES and self.transport is not None and not self.is_gone:
            self.transport.pause_reading()
        if self._next is None:
            self.move()

    def _move_later(self, handle: asyncio.Handle) -> None:
        if self._next is not None:
            self._next.cancel()
        self._next = handle

    def _read_on(self) -> None:
        was_held = self._waiting_bytes > _MAX_HELD_BYTES
        self._waiting_bytes = 0
        if was_held and self.transport is not None and not self.is_gone:
            self.transport.resume_reading()

    def _hand_on(self, piece: bytes | None) -> None:
        sink = self.other.transport
        if sink is None or self.other.is_gone or sink.is_closing():
            return
        if piece is _GONE:
            sink.close()
        elif piece == _EOF:
            with contextlib.suppress(OSError, RuntimeError):
                sink.write_eof()
        else:
            sink.write(piece)


@contextlib.contextmanager
def running_proxy(target_port: int) -> Iterator[Proxy]:
    proxy = Proxy(target_port)
    try:
        yield proxy
    finally:
        proxy.close()
