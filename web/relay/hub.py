"""All sources of the process, and what they need: channels, reads that are tried again, an audit. On the event loop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, Protocol, TypeVar

from web.relay.backoff import Backoff
from web.relay.bus import Message
from web.relay.counts import RelayCounts
from web.relay.errors import HistoryUnavailable
from web.relay.feed import FeedState, Read
from web.relay.follower import Follower, Sink
from web.relay.history import Owner, Top
from web.relay.limits import RelayLimits
from web.relay.ring import Page
from web.relay.source import Source
from worker.contract import keys
from worker.contract.meters import Meters

logger = logging.getLogger(__name__)

_CANCEL_AGAIN_SECONDS = 0.1

T = TypeVar("T")


class Reads(Protocol):
    """What the hub needs of `History`."""

    async def owner(self, run_id: str) -> Owner | None: ...
    async def read(self, run_id: str, read: Read) -> Page: ...
    async def tops(self, run_ids: Sequence[str]) -> list[Top | None]: ...


class Channels(Protocol):
    """What the hub needs of `Bus`."""

    def subscribe(self, channel: str) -> None: ...
    def unsubscribe(self, channel: str) -> None: ...


class Hub:
    """Listens to the bus and gives each source what is its own."""

    def __init__(self, reads: Reads, limits: RelayLimits, counts: RelayCounts | None = None) -> None:
        self._reads = reads
        self.counts = counts or RelayCounts(Meters())
        #: Set before the first viewer comes; the bus in turn is given this hub as its listener.
        self.channels: Channels
        self._limits = limits
        self._sources: dict[str, Source] = {}
        self._by_channel: dict[bytes, Source] = {}
        #: Sources without followers, the longest idle first, each with the timer that drops it.
        self._idle: dict[str, asyncio.TimerHandle] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def follow(self, run_id: str, *, user_id: str | None, after: str | int, sink: Sink) -> Follower:
        """Let a viewer follow a run, once it calls `start`; it is told through `sink`, of a refusal too."""
        source = self._sources.get(run_id) or self._new_source(run_id)
        if timer := self._idle.pop(run_id, None):
            timer.cancel()
        return Follower(source, user_id=user_id, after=after, sink=sink, limits=self._limits)

    def on_subscribed(self, channel: bytes) -> None:
        if source := self._by_channel.get(channel):
            source.confirm()

    def on_messages(self, messages: Sequence[Message]) -> None:
        touched: dict[Source, None] = {}
        handed_over: list[bytes] = []
        for channel, raw in messages:
            if source := self._by_channel.get(channel):
                source.take(raw)
                touched[source] = None
                if source.followers:
                    handed_over.append(raw)
        for source in touched:
            source.pump()
        self.counts.handed_over(handed_over)

    def on_lost(self) -> None:
        for source in tuple(self._sources.values()):
            source.feed.on_disconnected()
            if source.feed.state is FeedState.COMPLETE and not source.followers:
                # Nobody asks whether its log is still the one that it was read from.
                self._forget(source)

    async def audit(self) -> None:
        """Compare all watched runs with their records, for ever: no next message shows that the last one was lost."""
        while True:
            await asyncio.sleep(self._limits.audit_seconds)
            watched = [source for source in self._sources.values() if source.owner is not None]
            try:
                tops = await self._reads.tops([source.run_id for source in watched])
            except HistoryUnavailable as error:
                logger.warning("no audit", extra={"action": "audit_failed", "reason": str(error)})
                continue
            for source, top in zip(watched, tops, strict=True):
                if not source.audit(top):
                    self._lose(source)

    @property
    def watched(self) -> int:
        """Runs that are held for viewers, those that may come back included."""
        return len(self._sources)

    def rest(self, source: Source) -> None:
        """A source has lost its last follower: keep it for a while, since a reconnect is likely."""
        if self._sources.get(source.run_id) is not source:
            return
        if not source.is_subscribed and not source.feed.is_placed:
            self._forget(source)
            return
        loop = asyncio.get_running_loop()
        self._idle[source.run_id] = loop.call_later(self._limits.feed_idle_seconds, self._forget, source)
        if len(self._idle) > self._limits.idle_feeds:
            self._forget(self._sources[next(iter(self._idle))])

    def listen(self, run_id: str) -> None:
        self.channels.subscribe(keys.events_channel(run_id))

    def ignore(self, run_id: str) -> None:
        self.channels.unsubscribe(keys.events_channel(run_id))

    async def owner(self, run_id: str, *, is_wanted: Callable[[], bool]) -> Owner | None:
        """Say whose run it is, when Redis answers; None if there is no such run or nobody wants to know any more."""
        return await self._persist(lambda: self._reads.owner(run_id), is_wanted)

    async def read(self, run_id: str, read: Read, *, is_wanted: Callable[[], bool]) -> Page | None:
        """Read a log, when Redis answers; None when nobody wants it any more."""
        return await self._persist(lambda: self._reads.read(run_id, read), is_wanted)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run in the background; a failure is logged."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._task_done)

    async def end_tasks(self) -> None:
        """Cancel what runs in the background, and wait until it has ended."""
        pending = set(self._tasks)
        while pending:
            for task in pending:
                task.cancel()
            # Again and again: a Redis client that is just connecting may turn a cancellation into a failed attempt.
            _, pending = await asyncio.wait(pending, timeout=_CANCEL_AGAIN_SECONDS)

    def _new_source(self, run_id: str) -> Source:
        source = self._sources[run_id] = Source(run_id, self, self._limits)
        self._by_channel[keys.events_channel(run_id).encode()] = source
        source.open()
        return source

    def _forget(self, source: Source) -> None:
        if timer := self._idle.pop(source.run_id, None):
            timer.cancel()
        del self._sources[source.run_id]
        del self._by_channel[keys.events_channel(source.run_id).encode()]
        source.unsubscribe()

    def _lose(self, source: Source) -> None:
        """A run has vanished. Nothing of it is kept here: what comes back under its name is another one."""
        if self._sources.get(source.run_id) is not source:
            return
        logger.error("run lost", extra={"action": "run_lost", "run_id": source.run_id})
        self._forget(source)
        source.lose()

    async def _persist(self, work: Callable[[], Awaitable[T]], is_wanted: Callable[[], bool]) -> T | None:
        backoff = Backoff(self._limits)
        while is_wanted():
            try:
                return await work()
            except HistoryUnavailable as error:
                logger.warning("read failed", extra={"action": "read_failed", "reason": str(error)})
            await asyncio.sleep(backoff.next_wait())
        return None

    def _task_done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("task failed", exc_info=error, extra={"action": "task_failed"})
