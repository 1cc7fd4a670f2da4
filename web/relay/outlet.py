"""The writing half of a viewer's socket: back-pressure, heartbeats, and an end that the peer gets to see."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import ClassVar, cast

from web.relay.backoff import between
from web.relay.limits import RelayLimits

#: How often a peer that takes nothing is looked at before it counts as stalled.
_STALL_CHECKS = 4


class Outlet(asyncio.Protocol):
    """Base of both kinds of viewer. Lives on the event loop.

    What is written while `is_writable` is false is kept in memory without a bound, so only small closing words may be.
    """

    #: Which kind of viewer, as metrics name it.
    kind: ClassVar[str] = ""

    def __init__(self, limits: RelayLimits, *, beat_seconds: float, expires_at: int = 0) -> None:
        #: When the sign-in ends, Unix milliseconds; 0 is never.
        self.expires_at = expires_at
        self._limits = limits
        self._beat_seconds = beat_seconds
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._is_paused = False
        self._is_finished = False
        self._unsent = 0
        self._idle_checks = 0

    @property
    def is_writable(self) -> bool:
        """Connected, and the socket takes more."""
        return not (self._is_paused or self._is_finished or self._transport is None)

    @property
    def is_finished(self) -> bool:
        """The last byte has been written, or the connection is gone."""
        return self._is_finished

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=self._limits.write_buffer_bytes)
        # The first one early and at random, so that the heartbeats of thousands that came at once spread out.
        self._set_timer("beat", between(self._beat_seconds / 2, self._beat_seconds), self._beat)
        self.on_open()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._is_finished = True
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        self.on_closed()

    def pause_writing(self) -> None:
        self._is_paused = True
        self._unsent = self._buffered()
        self._idle_checks = 0
        self._set_timer("stall", self._limits.stall_seconds / _STALL_CHECKS, self._check_stall)

    def resume_writing(self) -> None:
        self._is_paused = False
        self._cancel_timer("stall")
        if not self._is_finished:
            self.on_writable()

    def write(self, frame: bytes) -> None:
        """Write; does nothing after `finish`."""
        if self._transport is not None and not self._is_finished:
            self._transport.write(frame)

    def finish(self, last: bytes = b"") -> None:
        """Write the last bytes, half-close, and wait for the peer to close; cut it after `close_seconds`.

        Closing both directions at once would make the kernel answer what the peer still sends with a reset, which
        destroys our last bytes on their way.
        """
        if self._transport is None or self._is_finished:
            return
        if last:
            self._transport.write(last)
        self._is_finished = True
        self._cancel_timer("beat")
        self._cancel_timer("stall")
        self._transport.write_eof()
        self._set_timer("close", self._limits.close_seconds, self.abort)

    def abort(self) -> None:
        """Cut the connection."""
        if self._transport is not None:
            self._transport.abort()

    def on_open(self) -> None:
        """The socket can be written to."""

    def on_writable(self) -> None:
        """The socket takes more again."""

    def on_beat(self) -> None:
        """It is time for a sign of life."""

    def on_stalled(self) -> None:
        """The peer has taken nothing for `stall_seconds`."""

    def on_closed(self) -> None:
        """The socket is gone."""

    def say_goodbye(self, retry_ms: int) -> None:
        """The process stops: ask the peer to come back after `retry_ms`, and finish."""

    def end_sign_in(self) -> None:
        """The sign-in has ended: say so, and finish."""

    def _beat(self) -> None:
        self._set_timer("beat", self._beat_seconds, self._beat)
        # A stalled peer is not helped by one more message.
        if self.is_writable:
            self.on_beat()

    def _check_stall(self) -> None:
        # Checks are counted, not time: while this process is stopped, its peers cannot take anything.
        unsent = self._buffered()
        self._idle_checks = 0 if unsent < self._unsent else self._idle_checks + 1
        self._unsent = unsent
        if self._idle_checks >= _STALL_CHECKS:
            self.on_stalled()
        else:
            self._set_timer("stall", self._limits.stall_seconds / _STALL_CHECKS, self._check_stall)

    def _buffered(self) -> int:
        return self._transport.get_write_buffer_size() if self._transport is not None else 0

    def _set_timer(self, name: str, delay: float, callback: Callable[[], None]) -> None:
        self._cancel_timer(name)
        self._timers[name] = self._loop.call_later(delay, callback)

    def _cancel_timer(self, name: str) -> None:
        if timer := self._timers.pop(name, None):
            timer.cancel()


def prepare(sock: socket.socket, limits: RelayLimits) -> None:
    """Set what a viewer's socket needs: no blocking, no delay, a small send buffer, an end to silence."""
    sock.setblocking(False)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, limits.send_buffer_bytes)
    if sock.family not in (socket.AF_INET, socket.AF_INET6):
        return
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for name, value in (
        ("TCP_NOTSENT_LOWAT", limits.unsent_bytes),
        ("TCP_USER_TIMEOUT", int(limits.silent_peer_seconds * 1000)),
    ):
        # Both are Linux's; macOS has the first.
        if (option := getattr(socket, name, None)) is not None:
            sock.setsockopt(socket.IPPROTO_TCP, option, value)
