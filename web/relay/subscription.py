"""One viewer's place in a run, as a state machine: asked again and again, it says what to do next. No I/O.

A place is a number, the next event to send. While that event is in the feed's ring, it is sent from there; before that
the viewer pages through the log at its own pace. A viewer has no queue, so a slow one costs no memory.

A cursor is believed only if the event of its number carries its tag. One that cannot be believed is answered with a
reset and the whole story, never with a silent skip.
"""

from __future__ import annotations

from typing import NamedTuple

from web.relay.feed import Feed, Read
from web.relay.limits import RelayLimits
from web.relay.messages import ResetReason
from web.relay.ring import Batch, LoggedEvent, Page, split, unbroken_until
from worker.contract.cursor import BEGINNING, parse_cursor
from worker.contract.errors import CursorError

_FIRST_PAGE_EVENTS = 16


class Begin(NamedTuple):
    """Tell the viewer that the run is followed; `top` is its highest event number."""

    top: int


class Restart(NamedTuple):
    """Tell the viewer to forget the run; what follows is the story after `cursor`."""

    reason: ResetReason
    cursor: str


class CaughtUp(NamedTuple):
    """Tell the viewer that the history has been sent."""

    #: The run is finished: nothing will follow.
    is_over: bool


class Ended(NamedTuple):
    """The run's last event has been sent: nothing will follow."""


class Wait(NamedTuple):
    """There is nothing to do until the feed changes."""


Move = Begin | Batch | Restart | CaughtUp | Ended | Wait | Read

_ENDED, _WAIT = Ended(), Wait()


class Subscription:
    """Follows `feed` from `after` on: a cursor or event number as the client gave it."""

    def __init__(self, feed: Feed, after: str | int, limits: RelayLimits) -> None:
        self._feed = feed
        self._limits = limits
        self._generation = feed.generation
        self._disconnections = feed.disconnections
        self._has_begun = False
        #: The last event that the viewer has, as it claims.
        self._claim = BEGINNING
        self._is_proved = False
        self._next = 1
        self._page: list[LoggedEvent] = []
        self._page_events = min(_FIRST_PAGE_EVENTS, limits.page_events)
        self._reset: ResetReason | None = None
        #: The viewer was given a story without its beginning.
        self._is_cut = False
        self._has_caught_up = False
        self._last_sent: LoggedEvent | None = None
        self.sent = 0
        try:
            self._claim = parse_cursor(after)
        except CursorError:
            self._begin_again("unreadable")

    def advance(self) -> Move:
        """Say what to do next, and take it as done; a `Read` is to be answered with `on_page`."""
        feed = self._feed
        if not feed.is_placed:
            return _WAIT
        if not self._has_begun:
            self._has_begun = True
            return Begin(feed.top)
        if not self._compare():
            return _WAIT
        if not self._is_proved and not self._prove_from_ring():
            return Read(self._claim.seq, self._page_events)
        if not self._page and self._next < feed.ring.first:
            return Read(self._next, self._page_events)
        if self._reset is not None:
            reason, self._reset = self._reset, None
            self._is_cut = self._next > 1
            return Restart(reason, str(self._next - 1))
        return self._send_page() if self._page else self._follow_ring()

    def on_page(self, page: Page) -> None:
        """Take the answer to a read."""
        if self._generation != self._feed.generation:
            return
        self._adapt(page)
        if self._is_proved:
            self._continue_with(page)
        else:
            self._prove_from_log(page)

    def _compare(self) -> bool:
        """Hold the viewer's place against the ring; False while that cannot be done.

        A viewer may have read ahead of the ring, from the log. If the channel is lost then, the log may come back as
        another one without the ring noticing: such a place is proved again once the ring is settled.
        """
        feed = self._feed
        seq, tag = parse_cursor(self._last_sent.cursor) if self._last_sent is not None else self._claim
        if self._generation != feed.generation:
            self._doubt()
        elif self._is_proved and tag:
            if seq in feed.ring:
                if feed.ring[seq].cursor != f"{seq}-{tag}":
                    self._doubt()
            elif self._disconnections != feed.disconnections:
                if not feed.is_settled:
                    return False
                self._doubt()
        self._disconnections = feed.disconnections
        return True

    def _doubt(self) -> None:
        """The log is not the one it was: the place has to be proved again."""
        self._generation = self._feed.generation
        if self._last_sent is not None:
            self._claim = parse_cursor(self._last_sent.cursor)
        self._page = []
        self._is_proved = False
        if self._is_cut:
            # The story of the old log began in its middle; the new one may have its beginning.
            self._begin_again("forked")

    def _prove_from_ring(self) -> bool:
        """Try to settle the claim without Redis; False if only the log can tell."""
        seq, tag = self._claim
        if seq == 0:
            self._accept()
        elif seq not in self._feed.ring:
            # Also when it is ahead of the ring: another process may have heard of an event before this one.
            return False
        elif tag and self._feed.ring[seq].cursor != str(self._claim):
            self._begin_again("forked")
        else:
            self._accept()
        return True

    def _prove_from_log(self, page: Page) -> None:
        seq, tag = self._claim
        if not page.events:
            self._begin_again("ahead" if seq > page.top else "trimmed")
        elif page.events[0].seq != seq:
            self._begin_again("trimmed")
        elif tag and page.events[0].cursor != str(self._claim):
            self._begin_again("forked")
        else:
            self._accept()
            self._page = list(page.events[1 : unbroken_until(page.events)])

    def _accept(self) -> None:
        self._is_proved = True
        self._next = self._claim.seq + 1

    def _begin_again(self, reason: ResetReason) -> None:
        self._reset = reason
        self._claim = BEGINNING
        self._last_sent = None
        self._has_caught_up = False
        self._page = []
        self._accept()

    def _continue_with(self, page: Page) -> None:
        """Take the next part of the history; if its beginning is gone, go on behind the hole and say so."""
        start = page.events[0].seq if page.events else self._feed.ring.first
        if start != self._next:
            self._reset = self._reset or "trimmed"
            self._has_caught_up = False
            self._next = start
        self._page = list(page.events[: unbroken_until(page.events)])

    def _adapt(self, page: Page) -> None:
        """Ask for as many events next time as weigh one page."""
        if page.events:
            average = sum(event.size for event in page.events) // len(page.events) + 1
            self._page_events = max(1, min(self._limits.page_events, self._limits.page_bytes // average))

    def _send_page(self) -> Batch:
        count = split(self._page, self._limits.write_bytes)
        batch = Batch(self._page[:count])
        del self._page[:count]
        return self._sent(batch)

    def _follow_ring(self) -> Move:
        feed = self._feed
        if self._next <= feed.ring.last:
            return self._sent(feed.ring.batch(self._next, self._limits.write_bytes))
        if not feed.is_settled:
            return _WAIT
        if not self._has_caught_up:
            self._has_caught_up = True
            return CaughtUp(feed.ring.is_complete)
        return _ENDED if feed.ring.is_complete else _WAIT

    def _sent(self, batch: Batch) -> Batch:
        self._next = batch.last.seq + 1
        self._last_sent = batch.last
        self.sent += len(batch.events)
        return batch
