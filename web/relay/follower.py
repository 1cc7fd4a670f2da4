"""One viewer of one run: carries out what its subscription asks for."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

from web.relay.feed import Read
from web.relay.limits import RelayLimits
from web.relay.messages import ResetReason
from web.relay.ring import Batch
from web.relay.subscription import Begin, CaughtUp, Contradiction, Ended, Restart, Subscription, Wait
from web.relay.tracing import Trail, begin_trail

if TYPE_CHECKING:
    from web.relay.source import Source


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
