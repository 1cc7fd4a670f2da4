"""One run's feed with its I/O, for all who follow it: carries out what the feed asks for."""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from web.relay.counts import RelayCounts
from web.relay.feed import Feed, FeedState, Read
from web.relay.follower import Follower
from web.relay.history import Owner, Top
from web.relay.limits import RelayLimits
from web.relay.ring import Page
from worker.contract.errors import DecodeError

logger = logging.getLogger(__name__)

#: Audits in a row that find no record of a run, after which it is given up.
_AUDITS_TO_MISS = 2


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
