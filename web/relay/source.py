"""One run's feed with its I/O, and the viewers that follow it: carries out what the state machines ask for."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from web.relay.counts import RelayCounts
from web.relay.feed import Feed, FeedState, Read
from web.relay.history import Owner, Top
from web.relay.limits import RelayLimits
from web.relay.messages import ResetReason
from web.relay.ring import Batch, Page
from web.relay.subscription import Begin, CaughtUp, Contradiction, Ended, Restart, Subscription, Wait
from web.relay.tracing import Trail, begin_trail
from worker.contract.errors import DecodeError

logger = logging.getLogger(__name__)

#: Audits in a row that find no record of a run, after which it is given up.
_AUDITS_TO_MISS = 2


class Sink(Protocol):
    """A viewer's socket, as a follower sees it. Writes never block; more should be written while `is_writable`."""

    @property
    def is_writable(self) -> bool: ...

    def send_begin(self, run_id: str, top: int) -> None: ...
    def send_batch(self, batch: Batch) -> None: ...
    def send_restart(self, run_id: str, reason: ResetReason, cursor: str) -> None: ...
    def send_caught_up(self, run_id: str, *, is_over: bool) -> None: ...
    def refuse(self, run_id: str) -> None:
        """There is no such run for this user; the follower is closed."""

    def lose(self, run_id: str) -> None:
        """The server has lost the run; the follower is closed."""

    def end(self, run_id: str) -> None:
        """The run's last event has been sent; the follower is closed."""


class Services(Protocol):
    """What a source needs of the `Hub`."""

    @property
    def counts(self) -> RelayCounts: ...
    def listen(self, run_id: str) -> None: ...
    def ignore(self, run_id: str) -> None: ...
    def rest(self, source: Source) -> None: ...
    def spawn(self, work: Coroutine[Any, Any, None]) -> None: ...
    async def owner(self, run_id: str, *, is_wanted: Callable[[], bool]) -> Owner | None: ...
    async def read(self, run_id: str, read: Read, *, is_wanted: Callable[[], bool]) -> Page | None: ...


class Follower:
    """One viewer of one run: moves its subscription on whenever the feed or the socket has news."""

    def __init__(
        self, source: Source, *, user_id: str | None, after: str | int, sink: Sink, limits: RelayLimits
    ) -> None:
        self._source = source
        self._sink = sink
        self._counts = source.counts
        self._subscription = Subscription(source.feed, after, limits)
        self.user_id = user_id
        self._is_admitted = False
        self._is_reading = False
        self._is_closed = False
        self._asked_ns = time.time_ns()
        self._trail: Trail | None = None

    @property
    def top(self) -> int:
        """The run's highest event number that is known."""
        return self._source.feed.top

    @property
    def sent(self) -> int:
        """Events sent so far."""
        return self._subscription.sent

    def start(self) -> None:
        """Follow; the sink may be called at once."""
        self._source.add(self)

    def admit(self) -> None:
        """Begin, if the run is this user's; else refuse as if there were none."""
        if self._source.owner is None or self.user_id != self._source.owner:
            self.close()
            self._sink.refuse(self._source.run_id)
            return
        self._is_admitted = True
        self._trail = begin_trail(self._source.run_id, self._source.traceparent, asked_ns=self._asked_ns)
        self.pump()

    def pump(self) -> None:
        """Send what there is, as long as the socket takes it."""
        while self._is_admitted and not self._is_reading and not self._is_closed and self._sink.is_writable:
            match self._subscription.advance():
                case Batch() as batch:
                    self._send(batch)
                case Wait():
                    return
                case Contradiction():
                    self._source.read_anew()
                    return
                case Read() as read:
                    self._is_reading = True
                    self._source.spawn(self._read(read))
                case Begin(top):
                    self._sink.send_begin(self._source.run_id, top)
                case Restart(reason, cursor):
                    self._counts.reset(reason)
                    self._sink.send_restart(self._source.run_id, reason, cursor)
                case CaughtUp(is_over):
                    self._sink.send_caught_up(self._source.run_id, is_over=is_over)
                case Ended():
                    self.close()
                    self._sink.end(self._source.run_id)

    def lose(self) -> None:
        """The run is gone."""
        self.close()
        self._sink.lose(self._source.run_id)

    def close(self) -> None:
        """Stop following."""
        if not self._is_closed:
            self._is_closed = True
            if self._trail is not None:
                self._trail.end()
            self._source.remove(self)

    def _send(self, batch: Batch) -> None:
        self._sink.send_batch(batch)
        self._counts.sent(batch)
        if self._trail is not None:
            self._trail.sent(batch)

    async def _read(self, read: Read) -> None:
        page = await self._source.read(read, is_wanted=lambda: not self._is_closed)
        self._is_reading = False
        if page is not None and not self._is_closed:
            self._subscription.on_page(page)
            self._source.note_top(page.top)
            self.pump()


class Source:
    """A feed with its I/O: the owner of the run, the reads, the followers."""

    def __init__(self, run_id: str, services: Services, limits: RelayLimits) -> None:
        self.run_id = run_id
        self.feed = Feed(run_id, limits)
        #: None until it is known.
        self.owner: str | None = None
        self.traceparent = ""
        self.followers: set[Follower] = set()
        self._services = services
        self.counts = services.counts
        self.is_subscribed = False
        self._audits_missed = 0

    def open(self) -> None:
        """Find out whose run it is, then subscribe if one of the followers may see it."""
        self.spawn(self._open())

    def add(self, follower: Follower) -> None:
        self.followers.add(follower)
        if self.owner is not None:
            follower.admit()
            self._subscribe()

    def remove(self, follower: Follower) -> None:
        self.followers.discard(follower)
        if not self.followers:
            self._services.rest(self)

    def take(self, raw: bytes) -> None:
        """Take a published event; the followers are served by the next `pump`."""
        try:
            self._carry_out(self.feed.on_message(raw))
        except DecodeError as error:
            facts = {"action": "message_skipped", "run_id": self.run_id, "reason": str(error)}
            logger.error("unreadable message", extra=facts)

    def note_top(self, seq: int, cursor: str = "") -> None:
        """Compare the feed with what the run's record says."""
        self._carry_out(self.feed.on_top(seq, cursor))

    def audit(self, top: Top | None) -> bool:
        """Take what an audit has found, None for no record; False when the run has to be given up.

        Once is no proof: the worker that holds a run gives it back to a server that has restarted without it.
        """
        if top is None:
            self._audits_missed += 1
            return self._audits_missed < _AUDITS_TO_MISS
        self._audits_missed = 0
        self.note_top(*top)
        return True

    def lose(self) -> None:
        """The run is gone: tell all followers."""
        for follower in tuple(self.followers):
            follower.lose()

    def read_anew(self) -> None:
        """The log holds another story than the feed."""
        if self.feed.state is FeedState.COMPLETE:
            self.unsubscribe()
        self._carry_out(self.feed.on_contradiction())
        self._subscribe()

    def confirm(self) -> None:
        """The channel is subscribed."""
        self._carry_out(self.feed.on_subscribed())

    def pump(self) -> None:
        """Serve all followers."""
        for follower in tuple(self.followers):
            follower.pump()
        if self.feed.state is FeedState.COMPLETE:
            self.unsubscribe()

    def unsubscribe(self) -> None:
        if self.is_subscribed:
            self.is_subscribed = False
            self._services.ignore(self.run_id)

    async def read(self, read: Read, *, is_wanted: Callable[[], bool]) -> Page | None:
        """Read the log, trying again until Redis answers or nobody wants it any more."""
        return await self._services.read(self.run_id, read, is_wanted=is_wanted)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        self._services.spawn(work)

    def _subscribe(self) -> None:
        if self.followers and not self.is_subscribed and self.feed.state is not FeedState.COMPLETE:
            self.is_subscribed = True
            self._services.listen(self.run_id)

    async def _open(self) -> None:
        owner = await self._services.owner(self.run_id, is_wanted=lambda: bool(self.followers))
        if owner is not None:
            self.owner, self.traceparent = owner
        for follower in tuple(self.followers):
            follower.admit()
        self._subscribe()

    def _carry_out(self, read: Read | None) -> None:
        if read is not None:
            self.spawn(self._read_for_feed(read))

    async def _read_for_feed(self, read: Read) -> None:
        page = await self.read(read, is_wanted=lambda: self.feed.wanted is read)
        if page is not None:
            self._carry_out(self.feed.on_page(read, page))
            self.pump()
