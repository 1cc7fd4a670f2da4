"""What of the relay lives on its event loop: the parts, put together, from the first viewer to the last."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import resource
import secrets
import socket
from collections.abc import Awaitable, Callable
from functools import partial

from web.relay.backoff import between
from web.relay.bus import Bus
from web.relay.counts import RelayCounts
from web.relay.event_stream import EventStream
from web.relay.history import History
from web.relay.hub import Hub
from web.relay.limits import RelayLimits
from web.relay.outlet import Outlet
from web.relay.receipts import Receipts
from web.relay.roster import Roster
from web.relay.viewer import Viewer
from worker.contract import keys

logger = logging.getLogger(__name__)

#: Descriptors that the rest of the process needs: listeners, requests, Redis connections, files.
_RESERVED_DESCRIPTORS = 256
_RESTART_SECONDS = 1.0


class Core:
    """Made and used on the event loop."""

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
