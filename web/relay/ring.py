"""The newest events of a run, kept once for all its viewers, each with its WebSocket frame ready to send."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from web.relay.frames import text_frame
from worker.contract.codec import Header, peek


class LoggedEvent(NamedTuple):
    """An event as the log holds it."""

    header: Header
    #: The JSON text behind a WebSocket frame header; shared by every socket that sends it.
    frame: bytes
    #: Size of the JSON text.
    size: int

    @property
    def seq(self) -> int:
        return self.header.seq

    @property
    def cursor(self) -> str:
        return self.header.cursor

    @property
    def payload(self) -> memoryview:
        """The JSON text, without a copy."""
        return memoryview(self.frame)[-self.size :]


def read_event(raw: bytes) -> LoggedEvent:
    """Read the header of an event and build its frame.

    Raises:
        DecodeError: These bytes are not an event.
    """
    return LoggedEvent(peek(raw), text_frame(raw), len(raw))


class Batch:
    """Events that go out together; their common frame is built when the first socket wants it, and shared."""

    __slots__ = ("_frame", "events")

    def __init__(self, events: Sequence[LoggedEvent]) -> None:
        self.events = events
        self._frame: bytes | None = events[0].frame if len(events) == 1 else None

    @property
    def last(self) -> LoggedEvent:
        return self.events[-1]

    @property
    def frame(self) -> bytes:
        """One WebSocket frame: the event's object, or an array of several."""
        if self._frame is None:
            self._frame = text_frame(b"[" + b",".join(event.payload for event in self.events) + b"]")
        return self._frame


def split(events: Sequence[LoggedEvent], max_bytes: int) -> int:
    """Say how many of the first events weigh at most `max_bytes` together; at least one if there is any."""
    total = 0
    for count, event in enumerate(events):
        total += event.size
        if total > max_bytes and count:
            return count
    return len(events)


def unbroken_from(events: Sequence[LoggedEvent]) -> int:
    """Say where the last unbroken run of numbers begins."""
    start = max(len(events) - 1, 0)
    while start > 0 and events[start - 1].seq + 1 == events[start].seq:
        start -= 1
    return start


def unbroken_until(events: Sequence[LoggedEvent]) -> int:
    """Say where the first unbroken run of numbers ends."""
    end = min(len(events), 1)
    while end < len(events) and events[end - 1].seq + 1 == events[end].seq:
        end += 1
    return end


class Ring:
    """An unbroken run of events `first` … `last`, at most `max_events` of them and `max_bytes` of text.

    Empty, it still has a place: `first` is the next event that it takes.
    """

    def __init__(self, *, max_events: int, max_bytes: int) -> None:
        self._max_events = max_events
        self._max_bytes = max_bytes
        self._events: dict[int, LoggedEvent] = {}
        self._bytes = 0
        self.first = 1
        self.last = 0
        self._newest_batch: Batch | None = None

    def __len__(self) -> int:
        return len(self._events)

    def __contains__(self, seq: int) -> bool:
        return seq in self._events

    def __getitem__(self, seq: int) -> LoggedEvent:
        return self._events[seq]

    @property
    def is_complete(self) -> bool:
        """The run's last event is here: nothing will follow."""
        return self.last in self._events and self._events[self.last].header.terminal

    def place(self, last: int) -> None:
        """Forget everything and stand behind the event `last`."""
        self._events.clear()
        self._bytes = 0
        self._newest_batch = None
        self.first, self.last = last + 1, last

    def append(self, event: LoggedEvent) -> None:
        """Take the event after `last`; any other would break the run, which no reader would notice."""
        if event.seq != self.last + 1:
            raise ValueError(f"event {event.seq} after {self.last}")
        self._events[event.seq] = event
        self._newest_batch = None
        self.last = event.seq
        self._bytes += len(event.frame)
        while len(self._events) > self._max_events or (self._bytes > self._max_bytes and len(self._events) > 1):
            self._bytes -= len(self._events.pop(self.first).frame)
            self.first += 1

    def batch(self, start: int, max_bytes: int) -> Batch:
        """Give the events from `start` on, about `max_bytes` at most.

        The newest answer is kept, since viewers that keep up all ask the same.
        """
        newest = self._newest_batch
        if newest is None or newest.events[0].seq != start:
            events = [self._events[seq] for seq in range(start, self.last + 1)]
            newest = self._newest_batch = Batch(events[: split(events, max_bytes)])
        return newest


class Page(NamedTuple):
    """What one read of a log gave."""

    #: In order; a hole is possible if someone has trimmed the log.
    events: Sequence[LoggedEvent]
    #: More may follow.
    is_full: bool
    #: The run's highest event number when it was read.
    top: int
