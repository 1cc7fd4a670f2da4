"""A run, its log and its channel as the state machines see them, with every fault that a network has. No I/O."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import Any

import msgspec

from web.relay.feed import Feed, FeedState, Read
from web.relay.limits import RelayLimits
from web.relay.ring import Batch, LoggedEvent, Page, read_event
from web.relay.subscription import Begin, CaughtUp, Contradiction, Ended, Move, Restart, Subscription, Wait

LIMITS = replace(RelayLimits(), ring_events=8, tail_events=4, page_events=3, pending_events=6)


def raw_event(seq: int, tag: int, *, terminal: bool = False, text: str = "") -> bytes:
    """An event's JSON text with a tag of our choice."""
    kind = "agent_completed" if terminal else "partial_result"
    cursor = f"{seq}-{tag:08x}"
    return msgspec.json.encode({"type": kind, "seq": seq, "cursor": cursor, "terminal": terminal, "data": text})


class World:
    """One run's log, what was published and not yet delivered, and a feed that is told of it."""

    def __init__(self, limits: RelayLimits = LIMITS) -> None:
        self.limits = limits
        self.log: dict[int, bytes] = {}
        self.top = 0
        self.in_flight: deque[bytes] = deque()
        self.feed = Feed("run_1", limits)
        self.reading: Read | None = None
        #: What the server has answered to it, on its way.
        self.answer: Page | None = None
        self.is_subscribed = False
        self.viewers: list[Watcher] = []
        self._tag = 0

    def append(self, count: int = 1, *, lost: bool = False, terminal: bool = False) -> None:
        """Write events; `lost` ones are in the log, but nobody hears of them."""
        for _ in range(count):
            self._tag += 1
            self.top += 1
            raw = raw_event(self.top, self._tag, terminal=terminal)
            self.log[self.top] = raw
            if self.is_subscribed and not lost:
                self.in_flight.append(raw)

    def roll_back(self, count: int) -> None:
        """Lose the newest events, as a failover to a replica that was behind does."""
        for _ in range(min(count, self.top)):
            self.log.pop(self.top, None)
            self.top -= 1

    def trim(self, keep_from: int) -> None:
        self.log = {seq: raw for seq, raw in self.log.items() if seq >= keep_from}

    def subscribe(self) -> None:
        """The channel is confirmed."""
        self.is_subscribed = True
        self._note(self.feed.on_subscribed())

    def disconnect(self) -> None:
        """The subscriber connection breaks, with what was on its way."""
        self.is_subscribed = False
        self.in_flight.clear()
        self.feed.on_disconnected()

    def deliver(self) -> None:
        """The oldest message on its way arrives."""
        if self.in_flight:
            self._note(self.feed.on_message(self.in_flight.popleft()))

    def hear(self, raw: bytes) -> None:
        """A message arrives that is not in order, doubled or forged."""
        self._note(self.feed.on_message(raw))

    def fetch(self) -> None:
        """The server answers the feed's read; the answer is on its way."""
        if self.reading is not None and self.answer is None:
            self.answer = self.page(self.reading)

    def answer_read(self) -> None:
        """The answer to the feed's read arrives."""
        self.fetch()
        if (read := self.reading) is not None and (page := self.answer) is not None:
            self.reading = self.answer = None
            self._note(self.feed.on_page(read, page))

    def audit(self) -> None:
        self.note_top(self.top, read_event(self.log[self.top]).cursor if self.top in self.log else "")

    def note_top(self, seq: int, cursor: str = "") -> None:
        """Somebody has read how far the run reaches."""
        self._note(self.feed.on_top(seq, cursor))

    def contradict(self) -> None:
        """A viewer has found another event in the log than in the ring."""
        if self.feed.state is FeedState.COMPLETE:
            self.is_subscribed = False
        self._note(self.feed.on_contradiction())

    def page(self, read: Read) -> Page:
        """Read the log as `History` does."""
        if read.start is None:
            seqs = sorted(self.log)[-read.limit :]
        else:
            seqs = [seq for seq in sorted(self.log) if seq >= read.start][: read.limit]
        events = [read_event(self.log[seq]) for seq in seqs]
        return Page(events, len(events) == read.limit, self.top)

    def watch(self, after: str | int = 0) -> Watcher:
        watcher = Watcher(self, after)
        self.viewers.append(watcher)
        return watcher

    def settle(self) -> None:
        """Let everything arrive and everyone read on until nothing is left to do."""
        for _ in range(3):
            if not self.is_subscribed:
                self.subscribe()
            self.audit()
            while self.in_flight or self.reading:
                self.deliver()
                self.answer_read()
            for viewer in self.viewers:
                viewer.run()

    def cursor(self, seq: int) -> str:
        return read_event(self.log[seq]).cursor

    def _note(self, read: Read | None) -> None:
        if read is not None:
            self.reading, self.answer = read, None


class Watcher:
    """A viewer that keeps the browser's rules, and fails on a duplicate or a hole."""

    def __init__(self, world: World, after: str | int = 0) -> None:
        self._world = world
        self.subscription = Subscription(world.feed, after, world.limits)
        self.last = _claimed_seq(after)
        self.shown: list[str] = []
        self.moves: list[Any] = []
        self.reading: Read | None = None
        self._answer: Page | None = None

    def run(self) -> Watcher:
        """Go on until there is nothing to do; reads are answered with what the log holds now."""
        while self.step():
            pass
        return self

    def step(self) -> bool:
        """Do one thing; False when there is nothing to do."""
        if self.reading is not None and self._answer is None:
            self._answer = self._world.page(self.reading)
            return True
        if self._answer is not None:
            page, self._answer, self.reading = self._answer, None, None
            self.subscription.on_page(page)
            self._world.note_top(page.top)
            return True
        move = self.subscription.advance()
        self._take(move)
        return not isinstance(move, Contradiction | Wait | Ended)

    @property
    def resets(self) -> list[Restart]:
        return [move for move in self.moves if isinstance(move, Restart)]

    @property
    def has_ended(self) -> bool:
        return any(isinstance(move, Ended) for move in self.moves)

    def count(self, kind: type) -> int:
        return sum(isinstance(move, kind) for move in self.moves)

    def _take(self, move: Move) -> None:
        match move:
            case Batch():
                for event in move.events:
                    self._show(event)
            case Restart(_, cursor):
                self.moves.append(move)
                self.last = int(cursor)
                self.shown = []
            case Begin() | CaughtUp() | Ended():
                self.moves.append(move)
            case Read():
                self.reading = move
            case Contradiction():
                self._world.contradict()
            case Wait():
                pass

    def _show(self, event: LoggedEvent) -> None:
        assert event.seq == self.last + 1, f"event {event.seq} after {self.last}"
        self.last = event.seq
        self.shown.append(event.cursor)


def _claimed_seq(after: str | int) -> int:
    digits = str(after).partition("-")[0]
    return int(digits) if digits.isdigit() else 0
