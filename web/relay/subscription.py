"""One viewer's place in a run, as a state machine: asked again and again, it says what to do next. No I/O.

A place is the last event that the viewer has. While the next one is in the feed's ring, it is sent from there; before
that the viewer pages through the log at its own pace. A viewer has no queue, so a slow one costs no memory.

A cursor is believed only if the event of its number carries its tag, be it one that the client gave or that of the last
event sent: every read of the log begins with that event. One that cannot be believed is answered with a reset and the
whole story, never with a silent skip.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from web.relay.feed import Feed, Read
from web.relay.limits import RelayLimits
from web.relay.messages import ResetReason
from web.relay.ring import Batch, LoggedEvent, Page, split, unbroken_until
from worker.contract.cursor import parse_cursor
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


class Contradiction(NamedTuple):
    """The ring holds other events than the log: the feed has to read it anew."""


class Wait(NamedTuple):
    """There is nothing to do until the feed changes."""


Move = Begin | Batch | Restart | CaughtUp | Ended | Contradiction | Wait | Read

_ENDED, _CONTRADICTION, _WAIT = Ended(), Contradiction(), Wait()


class _Place(NamedTuple):
    """The last event that the viewer has; 0 is the beginning."""

    seq: int
    #: Empty: a number that proves nothing, the beginning for one.
    cursor: str = ""


_START = _Place(0)


class Subscription:
    """Follows `feed` from `after` on: a cursor or event number as the client gave it."""

    def __init__(self, feed: Feed, after: str | int, limits: RelayLimits) -> None:
        self._feed = feed
        self._limits = limits
        self._generation = feed.generation
        self._has_begun = False
        self._place = _START
        self._is_proved = False
        #: The log has proved the place, and had nothing between it and the ring.
        self._is_joined = False
        #: `feed.settlements` when the log was last asked.
        self._asked_at = -1
        self._page: list[LoggedEvent] = []
        self._page_events = min(_FIRST_PAGE_EVENTS, limits.page_events)
        self._reset: ResetReason | None = None
        #: The viewer was given a story without its beginning.
        self._is_cut = False
        self._has_caught_up = False
        self.sent = 0
        try:
            seq, tag = parse_cursor(after)
        except CursorError:
            self._begin_again("unreadable")
        else:
            self._stand_at(_Place(seq, f"{seq}-{tag}" if tag else ""), is_proved=seq == 0)

    def advance(self) -> Move:
        """Say what to do next, and take it as done; a `Read` is to be answered with `on_page`."""
        feed = self._feed
        if not feed.is_placed:
            return _WAIT
        if not self._has_begun:
            self._has_begun = True
            return Begin(feed.top)
        if (obstacle := self._compare()) is not None:
            return obstacle
        if not self._is_proved:
            # The place itself comes first, and says whether the rest belongs to it.
            return self._ask(self._place.seq, self._page_events + 1)
        if not self._page and self._place.seq + 1 < feed.ring.first:
            return self._ask(self._place.seq + 1, self._page_events)
        if self._reset is not None:
            reason, self._reset = self._reset, None
            self._is_cut = self._place.seq > 0
            return Restart(reason, str(self._place.seq))
        return self._send_page() if self._page else self._follow_ring()

    def on_page(self, page: Page) -> None:
        """Take the answer to a read."""
        if self._generation != self._feed.generation:
            return
        self._adapt(page)
        if self._is_proved:
            self._take(page.events)
        elif refutation := self._refute(page):
            self._begin_again(refutation)
        else:
            self._is_proved = True
            self._is_joined = self._place.seq < self._feed.ring.first
            self._take(page.events[1:])

    def _ask(self, start: int, limit: int) -> Read:
        self._asked_at = self._feed.settlements
        return Read(start, limit)

    def _compare(self) -> Move | None:
        """Hold the place against the ring; one that is outside of it has to be proved by the log.

        Nothing may follow an event of another log, be it sent from the ring or read: the log may be lost and written
        anew at any time, and the feed notices only where it looks.
        """
        if self._generation != self._feed.generation:
            self._doubt()
        ring, (seq, cursor) = self._feed.ring, self._place
        if seq in ring:
            if cursor and ring[seq].cursor != cursor:
                return self._disagree()
            self._is_proved = True
        elif cursor and not self._page and (self._is_behind_proof() if seq < ring.first else self._is_ahead_of_proof()):
            self._is_proved = False
        return None

    def _disagree(self) -> Move | None:
        """The ring has another event at the place: the one that was read later is right."""
        if not self._feed.is_settled:
            return _WAIT
        if self._asked_at == self._feed.settlements:
            return _CONTRADICTION
        self._begin_again("forked")
        return None

    def _is_behind_proof(self) -> bool:
        return not (self._is_joined and self._place.seq + 1 == self._feed.ring.first)

    def _is_ahead_of_proof(self) -> bool:
        # Once for all that the feed has heard: another process may have known of an event before this one.
        return self._feed.is_settled and self._asked_at != self._feed.settlements

    def _doubt(self) -> None:
        """The log is not the one it was: the place has to be proved again."""
        self._generation = self._feed.generation
        if self._is_cut or self._reset is not None:
            # The story of the old log began in its middle; the new one may have its beginning.
            self._begin_again(self._reset or "forked")
        else:
            self._stand_at(self._place, is_proved=self._place.seq == 0)

    def _refute(self, page: Page) -> ResetReason | None:
        """Say why the place cannot be believed, if so; what was read should begin with it."""
        seq, cursor = self._place
        if not page.events:
            return "ahead" if seq > page.top else "trimmed"
        if page.events[0].seq != seq:
            return "trimmed"
        return "forked" if cursor and page.events[0].cursor != cursor else None

    def _begin_again(self, reason: ResetReason) -> None:
        self._restart_at(_START, reason)

    def _restart_at(self, place: _Place, reason: ResetReason) -> None:
        self._reset = reason
        self._has_caught_up = False
        self._stand_at(place, is_proved=True)

    def _stand_at(self, place: _Place, *, is_proved: bool) -> None:
        self._place = place
        self._is_proved = is_proved
        self._is_joined = False
        self._page = []

    def _take(self, events: Sequence[LoggedEvent]) -> None:
        """Take the next part of the history; if its beginning is gone, go on behind the hole and say so."""
        ring = self._feed.ring
        if (not events or events[0].seq != self._place.seq + 1) and self._place.seq + 1 < ring.first:
            start = events[0].seq if events else ring.first
            self._restart_at(_Place(start - 1), self._reset or "trimmed")
        if events and events[0].seq == self._place.seq + 1:
            self._page = list(events[: unbroken_until(events)])

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
        if self._place.seq < feed.ring.last:
            return self._sent(feed.ring.batch(self._place.seq + 1, self._limits.write_bytes))
        if not feed.is_settled:
            return _WAIT
        if not self._has_caught_up:
            self._has_caught_up = True
            return CaughtUp(feed.ring.is_complete)
        return _ENDED if feed.ring.is_complete else _WAIT

    def _sent(self, batch: Batch) -> Batch:
        self._place = _Place(batch.last.seq, batch.last.cursor)
        self._is_joined = False
        self.sent += len(batch.events)
        return batch
