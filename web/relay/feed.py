"""One run in this process, as a state machine: told what happened, it says what to read next. No I/O.

    SUBSCRIBING ──confirmed──▶ READING ──caught up──▶ LIVE ──last event──▶ COMPLETE
         ▲                      ▲  │                    │
         │                      └──┘ more to read       │ a hole, a doubt
         └──────── connection lost ──────────◀──────────┘─▶ READING

Subscribe first, then read: what is published while the history is read waits in `pending` and is merged by number. An
event is taken only if it is `last + 1`; "not newer than the last" alone would turn a lost message into silence.

Every read begins at the last known event, not behind it: if that entry carries another cursor, or is gone, the log was
rolled back and written anew, and `generation` tells the viewers to prove their places again.

The log is right, a message is only a notice: what is published but not in the log is dropped.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import NamedTuple

from web.relay.limits import RelayLimits
from web.relay.ring import LoggedEvent, Page, Ring, read_event, unbroken_from


class FeedState(Enum):
    SUBSCRIBING = auto()
    READING = auto()
    LIVE = auto()
    COMPLETE = auto()


class Read(NamedTuple):
    """A wish to read the log from event `start` on, that one included; None is the newest ones."""

    start: int | None
    #: How many events at most.
    limit: int


class Feed:
    """The unbroken newest part of a run's log, shared by all its viewers.

    Every `on_…` answers with what to read next, or None. A read is answered with `on_page`; one that failed may be
    tried again as long as it is still `wanted`.
    """

    def __init__(self, run_id: str, limits: RelayLimits) -> None:
        self.run_id = run_id
        self.state = FeedState.SUBSCRIBING
        self.ring = Ring(max_events=limits.ring_events, max_bytes=limits.ring_bytes)
        #: Changes when the log turned out to be another one than before.
        self.generation = 0
        #: The read that is under way, if any.
        self.wanted: Read | None = None
        self._tail_events = limits.tail_events
        self._max_pending = limits.pending_events
        self._pending: dict[int, LoggedEvent] = {}
        self._is_placed = False
        self._has_reread = False
        self._heard = 0
        #: How often the ring came to hold all that is known. Each time, a viewer that has read ahead can find out if it
        #: read in the same log.
        self.settlements = 0

    @property
    def is_placed(self) -> bool:
        """Viewers can be served from the ring, though something newer may still have to be read."""
        return self._is_placed

    @property
    def is_settled(self) -> bool:
        """The ring holds everything that is known of the run."""
        return self.state in (FeedState.LIVE, FeedState.COMPLETE)

    @property
    def top(self) -> int:
        """The highest event number that is known of."""
        return max(self.ring.last, self._heard)

    def on_subscribed(self) -> Read | None:
        """The channel is confirmed: from here on no message is missed."""
        if self.state is not FeedState.SUBSCRIBING:
            return None
        return self._read_on()

    def on_disconnected(self) -> None:
        """The channel is gone, and nobody knows what was published meanwhile."""
        if self.state is not FeedState.COMPLETE:
            self.state = FeedState.SUBSCRIBING
            self.wanted = None
            self._pending.clear()

    def on_message(self, raw: bytes) -> Read | None:
        """Take a published event.

        Raises:
            DecodeError: It is not one; nothing has changed.
        """
        event = read_event(raw)
        if self.state is FeedState.COMPLETE:
            return None
        if self.state is FeedState.LIVE:
            return self._take_live(event)
        self._keep(event)
        return None

    def on_page(self, read: Read, page: Page) -> Read | None:
        """Take the answer to a read; one that is no longer wanted changes nothing."""
        if read is not self.wanted:
            return None
        self._heard = max(self._heard, page.top)
        if read.start is None:
            self._place(page)
        elif not self._extend(page):
            return self._start_over()
        elif page.is_full:
            return self._read_on()
        return self._settle()

    def on_top(self, seq: int, cursor: str = "") -> Read | None:
        """Compare with what the run's record says; finds a lost last message and a log that was rolled back."""
        if self.state is not FeedState.LIVE:
            return None
        ring = self.ring
        is_same_event = not cursor or ring.last not in ring or ring[ring.last].cursor == cursor
        if seq == ring.last and is_same_event:
            return None
        self._heard = max(self._heard, seq)
        return self._read_on()

    def on_contradiction(self) -> Read | None:
        """A viewer has found another event in the log than in the ring."""
        if self.state is FeedState.LIVE:
            return self._start_over()
        if self.state is FeedState.COMPLETE:
            # Nobody listens to the channel any more.
            self._forget()
            self.state = FeedState.SUBSCRIBING
        return None

    def _take_live(self, event: LoggedEvent) -> Read | None:
        ring = self.ring
        if event.seq == ring.last + 1:
            self._append(event)
            return None
        if event.seq in ring and ring[event.seq].cursor == event.cursor:
            return None
        self._keep(event)
        return self._read_on()

    def _keep(self, event: LoggedEvent) -> None:
        # What does not fit is not lost: the merge then finds a hole, and reads it.
        if len(self._pending) < self._max_pending:
            self._pending[event.seq] = event
        self._heard = max(self._heard, event.seq)

    def _append(self, event: LoggedEvent) -> None:
        self.ring.append(event)
        if event.header.terminal:
            self.state = FeedState.COMPLETE
            self.settlements += 1
            self._pending.clear()

    def _read_on(self) -> Read:
        self.state = FeedState.READING
        start = max(self.ring.last, 1) if self._is_placed else None
        self.wanted = Read(start, self._tail_events)
        return self.wanted

    def _place(self, page: Page) -> None:
        """Begin with the newest events; if there are none though the record counts some, behind the lost ones."""
        events = page.events[unbroken_from(page.events) :]
        self._is_placed = True
        self.ring.place(events[0].seq - 1 if events else page.top)
        for event in events:
            self._append(event)

    def _extend(self, page: Page) -> bool:
        """Append what is new; False if the log is not the one that the ring was read from."""
        events = page.events
        ring = self.ring
        if ring.last > 0:
            if not events or events[0].seq != ring.last:
                return False
            if ring.last in ring and ring[ring.last].cursor != events[0].cursor:
                return False
            events = events[1:]
        for event in events:
            if event.seq != ring.last + 1:
                # Someone has removed entries. The story has a hole now, and the viewers are told.
                self.generation += 1
                ring.place(event.seq - 1)
            self._append(event)
            self._has_reread = False
        return True

    def _contradicts(self, event: LoggedEvent) -> bool:
        return event.seq in self.ring and self.ring[event.seq].cursor != event.cursor

    def _start_over(self) -> Read:
        self._forget()
        return self._read_on()

    def _forget(self) -> None:
        self.generation += 1
        self._is_placed = False
        self._heard = 0
        self._pending.clear()
        self.ring.place(0)

    def _settle(self) -> Read | None:
        """Merge what was published during the read, and go live if no hole is left."""
        if any(self._contradicts(event) for event in self._pending.values()):
            return self._start_over()
        while (event := self._pending.pop(self.ring.last + 1, None)) is not None:
            self._append(event)
        is_ahead = any(seq > self.ring.last for seq in self._pending)
        if is_ahead and not self._has_reread:
            # It was published after the read had begun: one more read must show it and all before it.
            self._has_reread = True
            return self._read_on()
        self._has_reread = False
        self._pending.clear()
        self._heard = self.ring.last
        self.wanted = None
        self.settlements += 1
        self.state = FeedState.COMPLETE if self.ring.is_complete else FeedState.LIVE
        return None
