"""The process's one subscriber connection to Redis, on the relay's event loop.

Messages are handed on in the batches in which they were read from the socket, so that what belongs to one run goes out
in one write.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Protocol

import hiredis
from redis.asyncio.connection import parse_url

from web.relay.backoff import Backoff
from web.relay.bus_connection import BusConnection, connect
from web.relay.counts import RelayCounts
from web.relay.errors import BusRefused, HistoryUnavailable
from web.relay.limits import RelayLimits
from worker.contract.meters import Meters

logger = logging.getLogger(__name__)

#: Channels per SUBSCRIBE: a reconnect with thousands must not be one command of megabytes.
SUBSCRIBE_BATCH = 512

Message = tuple[bytes, bytes]


class BusListener(Protocol):
    """Is told what happens; called on the event loop, must not block."""

    def on_subscribed(self, channel: bytes) -> None:
        """Every message of the channel from here on will be seen, until `on_lost`."""

    def on_messages(self, messages: Sequence[Message]) -> None:
        """(channel, payload) in the order of publication."""

    def on_lost(self) -> None:
        """The connection broke: no channel is subscribed until `on_subscribed` says so again."""


class Bus:
    """Keeps one connection up and the channels subscribed; `run` does the work until it is cancelled."""

    def __init__(
        self,
        redis_url: str,
        listener: BusListener,
        *,
        probe_channel: str,
        limits: RelayLimits,
        counts: RelayCounts | None = None,
    ) -> None:
        self._options: dict[str, Any] = dict(parse_url(redis_url))
        self._listener = listener
        self._limits = limits
        self._counts = counts or RelayCounts(Meters())
        self._probe_channel = probe_channel.encode()
        self._channels: set[bytes] = {self._probe_channel}
        #: SUBSCRIBE commands whose confirmation is still to come. More than one when a channel was left and taken again
        #: at once: only the last confirmation counts.
        self._unconfirmed: Counter[bytes] = Counter()
        self._connection: BusConnection | None = None
        self._is_confirmed = False
        self._echo = ""

    @property
    def is_connected(self) -> bool:
        return self._connection is not None

    def subscribe(self, channel: str) -> None:
        """Listen to a channel; confirmed by `on_subscribed`, again after every reconnect."""
        name = channel.encode()
        self._channels.add(name)
        self._send_subscribe([name])

    def unsubscribe(self, channel: str) -> None:
        name = channel.encode()
        self._channels.discard(name)
        if self._connection is not None:
            self._connection.send(b"UNSUBSCRIBE", name)

    async def run(self) -> None:
        """Connect, and connect again whenever the connection breaks."""
        backoff = Backoff(self._limits)
        while True:
            self._is_confirmed = False
            try:
                connection = await self._connect()
                self._counts.connected()
                await connection.closed
            except (OSError, TimeoutError, BusRefused) as error:
                logger.warning("no subscriber connection", extra={"action": "bus_down", "reason": str(error)})
            finally:
                self._drop()
            if self._is_confirmed:
                backoff.reset()
            await asyncio.sleep(backoff.next_wait())

    async def probe(self, publish: Callable[[str, str], Awaitable[None]]) -> None:
        """Publish to ourselves again and again; a connection that stays deaf is rebuilt.

        After a failover a connection can be open and subscribed, and yet hear nothing.
        """
        number = misses = 0
        while True:
            number += 1
            connection = self._connection
            try:
                await publish(self._probe_channel.decode(), str(number))
            except HistoryUnavailable:
                # Says nothing about the subscriber connection.
                await asyncio.sleep(self._limits.probe_seconds)
                continue
            await asyncio.sleep(self._limits.probe_seconds)
            has_heard = self._echo == str(number)
            if has_heard or connection is None or connection is not self._connection:
                misses = 0
                continue
            misses += 1
            self._counts.probe_missed()
            if misses >= self._limits.probe_misses:
                misses = 0
                logger.error("subscriber connection is deaf", extra={"action": "bus_rebuilt"})
                self.rebuild()

    def rebuild(self) -> None:
        """Cut the connection; `run` makes a new one."""
        if self._connection is not None:
            self._connection.abort()

    async def _connect(self) -> BusConnection:
        connection = await asyncio.wait_for(connect(self._options, self._on_replies), self._limits.redis_seconds)
        self._connection = connection
        if self._options.get("password"):
            credentials = [self._options.get("username"), self._options["password"]]
            connection.send(b"AUTH", *(part.encode() for part in credentials if part))
        # No SELECT: channels do not belong to a database.
        self._unconfirmed.clear()
        self._send_subscribe(sorted(self._channels))
        return connection

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.abort()
            self._listener.on_lost()

    def _send_subscribe(self, channels: Sequence[bytes]) -> None:
        if self._connection is None:
            return
        for start in range(0, len(channels), SUBSCRIBE_BATCH):
            batch = channels[start : start + SUBSCRIBE_BATCH]
            self._unconfirmed.update(batch)
            self._connection.send(b"SUBSCRIBE", *batch)

    def _on_replies(self, replies: Iterable[Any]) -> None:
        messages: list[Message] = []
        for reply in replies:
            match reply:
                case [b"message", channel, payload]:
                    if channel == self._probe_channel:
                        self._echo = payload.decode(errors="replace")
                    else:
                        messages.append((channel, payload))
                case [b"subscribe", channel, _]:
                    self._confirm(channel)
                case hiredis.ReplyError():
                    raise BusRefused(str(reply))
        if messages:
            self._listener.on_messages(messages)

    def _confirm(self, channel: bytes) -> None:
        self._unconfirmed[channel] -= 1
        if self._unconfirmed[channel] <= 0:
            del self._unconfirmed[channel]
            if channel == self._probe_channel:
                self._is_confirmed = True
            elif channel in self._channels:
                self._listener.on_subscribed(channel)
