"""The relay's OS thread: one event loop that serves every viewer of the process."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import threading
from collections import Counter
from collections.abc import Callable
from functools import partial

import uvloop

from web.relay.core import Core
from web.relay.counts import RelayCounts
from web.relay.event_stream import EventStream
from web.relay.limits import RelayLimits
from web.relay.outlet import Outlet, prepare
from web.relay.viewer import Viewer
from worker.contract.lost_errors import log_loop_error
from worker.contract.meters import Meters
from worker.contract.metrics import BUS_UP, VIEWERS, WATCHED_RUNS

logger = logging.getLogger(__name__)


class Relay:
    """Takes over sockets from the requests' OS threads. `start`, `adopt_…` and `stop` may be called from any.

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
        self._core: Core | None = None
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

    def _adopt(self, sock: socket.socket, factory: Callable[[Core], Callable[[], Outlet]]) -> None:
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
            self._core = Core(self._redis_url, self._limits, self._counts)
        finally:
            is_ready.set()
        await self._core.serve()
