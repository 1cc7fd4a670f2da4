"""The relay's OS thread: one event loop that serves every viewer of the process."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import resource
import secrets
import socket
import threading
from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial

import uvloop

from web.relay.backoff import between
from web.relay.bus import Bus
from web.relay.counts import RelayCounts
from web.relay.event_stream import EventStream
from web.relay.history import History
from web.relay.hub import Hub
from web.relay.limits import RelayLimits
from web.relay.outlet import Outlet, prepare
from web.relay.receipts import Receipts
from web.relay.roster import Roster
from web.relay.viewer import Viewer
from worker.contract import keys
from worker.contract.lost_errors import log_loop_error
from worker.contract.meters import Meters
from worker.contract.metrics import BUS_UP, VIEWERS, WATCHED_RUNS

logger = logging.getLogger(__name__)

#: Descriptors that the rest of the process needs: listeners, requests, Redis connections, files.
_RESERVED_DESCRIPTORS = 256
_RESTART_SECONDS = 1.0


class Relay:
    """Takes over sockets from request threads. `start`, `adopt_…` and `stop` may be called from any OS thread.

    The OS thread starts with the first socket, or with `start`: after a fork, that is, not in the process that forks.
    """

    def __init__(self, redis_url: str, *, limits: RelayLimits | None = None, meters: Meters | None = None) -> None:
        self._redis_url = redis_url
        self._meters = meters or Meters()
        self._meters.before_reading(self._look)
        self._counts = RelayCounts(self._meters)
        self._limits = limits or RelayLimits()
        self._starting = threading.Lock()
        self._os_thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._core: _Core | None = None
        self._is_stopping = False

    @property
    def is_stopping(self) -> bool:
        """New viewers are refused; readiness should be, too."""
        return self._is_stopping

    @property
    def viewers(self) -> int:
        """Open sockets."""
        return len(self._core.roster) if self._core is not None else 0

    @property
    def is_listening(self) -> bool:
        """The subscriber connection to Redis is up."""
        return self._core is not None and self._core.bus.is_connected

    def start(self) -> None:
        """Start the OS thread, once; does not wait for Redis."""
        with self._starting:
            if self._os_thread is not None:
                return
            is_ready = threading.Event()
            self._os_thread = threading.Thread(target=self._run, args=(is_ready,), name="relay", daemon=True)
            self._os_thread.start()
            is_ready.wait()

    def adopt_websocket(
        self,
        sock: socket.socket,
        *,
        user_id: str | None,
        viewer_id: str,
        leftover: bytes = b"",
        expires_at: int = 0,
    ) -> None:
        """Serve a socket whose WebSocket handshake is done; the socket belongs to the relay from here on.

        Args:
            user_id: None closes it with 4401.
            viewer_id: In whose name its acks are kept.
            leftover: Bytes already read from the socket, behind the handshake.
            expires_at: When the sign-in ends, Unix milliseconds: closes it with 4401 then. 0 is never.
        """
        self._adopt(sock, lambda core: partial(core.viewer, user_id, viewer_id, leftover, expires_at))

    def adopt_event_stream(
        self, sock: socket.socket, *, user_id: str | None, run_id: str, after: str | int, expires_at: int = 0
    ) -> None:
        """Answer a request for a run's events on its socket; the socket belongs to the relay from here on.

        Args:
            after: Cursor or event number behind which to begin.
            expires_at: When the sign-in ends, Unix milliseconds: ends the response then. 0 is never.
        """
        self._adopt(sock, lambda core: partial(core.event_stream, user_id, run_id, after, expires_at))

    def note_refused(self, reason: str) -> None:
        """Count a request for live events that did not come to `adopt_…`."""
        self._counts.refused(reason)

    def begin_stop(self) -> None:
        """Say goodbye to every viewer; returns at once. May be called from a signal handler."""
        self._is_stopping = True
        if self._loop is not None and self._core is not None:
            with contextlib.suppress(RuntimeError):  # It has ended already.
                self._loop.call_soon_threadsafe(self._core.say_goodbye)

    def stop(self, timeout: float = 5.0) -> None:
        """Say goodbye, wait for the viewers to leave, and end the OS thread; blocks for at most `timeout` seconds."""
        self._is_stopping = True
        # Without the lock: a signal handler may interrupt who holds it.
        loop, core, os_thread = self._loop, self._core, self._os_thread
        if loop is None or core is None or os_thread is None:
            return
        with contextlib.suppress(RuntimeError):  # It has ended already.
            loop.call_soon_threadsafe(core.stop)
        os_thread.join(timeout)

    def _adopt(self, sock: socket.socket, factory: Callable[[_Core], Callable[[], Outlet]]) -> None:
        self.start()
        loop, core = self._loop, self._core
        try:
            if loop is None or core is None:
                raise RuntimeError("the relay is not running")
            prepare(sock, self._limits)
            loop.call_soon_threadsafe(core.adopt, sock, factory(core))
        except (OSError, RuntimeError) as error:
            # The client has gone, or the event loop has ended meanwhile.
            sock.close()
            logger.info("viewer not taken", extra={"action": "viewer_lost", "reason": str(error)})

    def _look(self) -> None:
        core = self._core
        kinds = Counter(outlet.kind for outlet in core.roster) if core is not None else Counter[str]()
        for kind in (Viewer.kind, EventStream.kind):
            self._meters.set(VIEWERS, kinds[kind], kind)
        self._meters.set(WATCHED_RUNS, core.hub.watched if core is not None else 0)
        self._meters.set(BUS_UP, int(self.is_listening))

    def _run(self, is_ready: threading.Event) -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            self._loop = runner.get_loop()
            self._loop.set_exception_handler(log_loop_error)
            runner.run(self._serve(is_ready))

    async def _serve(self, is_ready: threading.Event) -> None:
        try:
            self._core = _Core(self._redis_url, self._limits, self._counts)
        finally:
            is_ready.set()
        await self._core.serve()


class _Core:
    """What lives on the event loop."""

    def __init__(self, redis_url: str, limits: RelayLimits, counts: RelayCounts) -> None:
        self._limits = limits
        self._history = History(redis_url, limits)
        self.hub = Hub(self._history, limits, counts)
        probe_channel = keys.probe_channel(f"{os.getpid()}-{secrets.token_hex(4)}")
        self.bus = Bus(redis_url, self.hub, probe_channel=probe_channel, limits=limits, counts=counts)
        self.hub.channels = self.bus
        self.roster = Roster(limits, capacity=_capacity(limits))
        self._receipts = Receipts(self._history, limits)
        self._stopping = asyncio.Event()

    async def serve(self) -> None:
        """Serve until `stop`."""
        self.hub.spawn(_keep(self.bus.run))
        self.hub.spawn(_keep(partial(self.bus.probe, self._history.publish)))
        self.hub.spawn(_keep(self.hub.audit))
        self.hub.spawn(_keep(self._receipts.keep))
        self.hub.spawn(_keep(self.roster.watch_sign_ins))
        await self._stopping.wait()
        await self._drain()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._limits.redis_seconds):
                await self._receipts.flush()
        await self.hub.end_tasks()
        await self._history.close()

    def adopt(self, sock: socket.socket, protocol: Callable[[], Outlet]) -> None:
        self.hub.spawn(self._connect(sock, protocol))

    def viewer(self, user_id: str | None, viewer_id: str, leftover: bytes, expires_at: int) -> Viewer:
        return Viewer(
            self.hub,
            self.roster,
            self._receipts,
            self._limits,
            user_id=user_id,
            viewer_id=viewer_id,
            leftover=leftover,
            expires_at=expires_at,
        )

    def event_stream(self, user_id: str | None, run_id: str, after: str | int, expires_at: int) -> EventStream:
        return EventStream(
            self.hub, self.roster, self._limits, user_id=user_id, run_id=run_id, after=after, expires_at=expires_at
        )

    def say_goodbye(self) -> None:
        """Ask every viewer to come back, spread over the time that their handshakes will cost who takes them."""
        if self.roster.is_closing:
            return
        self.roster.is_closing = True
        spread = max(self._limits.return_seconds, len(self.roster) * self._limits.handshake_seconds * 2)
        for outlet in self.roster:
            outlet.say_goodbye(int(between(0, spread) * 1000))

    def stop(self) -> None:
        self.say_goodbye()
        self._stopping.set()

    async def _connect(self, sock: socket.socket, protocol: Callable[[], Outlet]) -> None:
        try:
            await asyncio.get_running_loop().connect_accepted_socket(protocol, sock)
        except OSError as error:
            sock.close()
            logger.info("viewer not taken", extra={"action": "viewer_lost", "reason": str(error)})

    async def _drain(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._limits.drain_seconds):
                await self.roster.emptied()
        for outlet in self.roster:
            outlet.abort()


async def _keep(work: Callable[[], Awaitable[None]]) -> None:
    """Do for ever: a defect in one of the relay's own tasks must not end the viewers' connections."""
    while True:
        try:
            await work()
        except Exception:
            logger.exception("relay task failed", extra={"action": "relay_task_failed"})
        await asyncio.sleep(_RESTART_SECONDS)


def _capacity(limits: RelayLimits) -> int:
    """How many sockets the process can hold: a descriptor each, some left for everything else."""
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if descriptors == resource.RLIM_INFINITY:
        return limits.sockets
    return max(1, min(limits.sockets, descriptors - _RESERVED_DESCRIPTORS))
