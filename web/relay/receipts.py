"""How far viewers have been shown their runs, on the way to Redis: the newest ack of each, a few times a second.

An ack costs the event loop one entry of a dict. While Redis is away the entries wait, the newest of each viewer and
run; what cannot be stored for long, or is too much, is dropped with a line in the log.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from itertools import islice
from typing import NamedTuple, Protocol

from web.relay.backoff import Backoff
from web.relay.errors import HistoryUnavailable
from web.relay.limits import RelayLimits

logger = logging.getLogger(__name__)


class Reader(NamedTuple):
    """Who was shown something."""

    user_id: str
    #: The tab, as it calls itself, or the socket.
    viewer_id: str


class Receipt(NamedTuple):
    """A viewer has been shown a run up to `seq`."""

    run_id: str
    reader: Reader
    seq: int


class Writes(Protocol):
    """What the receipts need of `History`."""

    async def acknowledge(self, receipts: Sequence[Receipt]) -> None: ...


class Receipts:
    """Takes acks at any rate and stores them at its own. On the event loop."""

    def __init__(self, writes: Writes, limits: RelayLimits, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._writes = writes
        self._limits = limits
        self._clock = clock
        self._pending: dict[tuple[str, Reader], int] = {}
        self._has_news = asyncio.Event()
        #: The end of the relay must not overtake a batch that is on its way.
        self._storing = asyncio.Lock()
        self._failing_since: float | None = None
        self._refused = 0

    def note(self, reader: Reader, run_id: str, seq: int) -> None:
        """Take an ack; never blocks."""
        place = (run_id, reader)
        if place not in self._pending and len(self._pending) >= self._limits.receipts:
            self._refused += 1
            return
        self._pending[place] = max(seq, self._pending.get(place, 0))
        self._has_news.set()

    async def keep(self) -> None:
        """Store what comes, for ever."""
        backoff = Backoff(self._limits)
        while True:
            await self._has_news.wait()
            await asyncio.sleep(self._limits.receipt_seconds)
            if await self.flush():
                backoff.reset()
            else:
                await asyncio.sleep(backoff.next_wait())

    async def flush(self) -> bool:
        """Store what waits; False when Redis did not take it, which may be tried again."""
        async with self._storing:
            self._has_news.clear()
            self._report_refused()
            while self._pending:
                batch = self._take_batch()
                try:
                    await self._writes.acknowledge(batch)
                except HistoryUnavailable as error:
                    self._put_back(batch)
                    self._note_failure(error)
                    return False
                self._failing_since = None
            return True

    def _take_batch(self) -> list[Receipt]:
        places = list(islice(self._pending, self._limits.receipt_batch))
        return [Receipt(*place, self._pending.pop(place)) for place in places]

    def _put_back(self, batch: Sequence[Receipt]) -> None:
        for receipt in batch:
            place = (receipt.run_id, receipt.reader)
            self._pending[place] = max(receipt.seq, self._pending.get(place, 0))
        self._has_news.set()

    def _note_failure(self, error: HistoryUnavailable) -> None:
        now = self._clock()
        if self._failing_since is None:
            self._failing_since = now
            logger.warning("acks wait", extra={"action": "acks_wait", "reason": str(error)})
        elif now - self._failing_since > self._limits.receipt_patience_seconds:
            facts = {"action": "acks_dropped", "acks": len(self._pending), "reason": str(error)}
            logger.error("acks dropped", extra=facts)
            self._pending.clear()
            self._has_news.clear()
            self._failing_since = None

    def _report_refused(self) -> None:
        if self._refused:
            facts = {"action": "acks_dropped", "acks": self._refused, "reason": "too many wait"}
            logger.error("acks dropped", extra=facts)
            self._refused = 0
