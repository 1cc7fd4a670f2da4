"""What the relay counts. The hot path costs two additions per frame, and a histogram entry per event and process; it
keeps its own numbers and takes no lock.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Iterable

from web.relay.ring import Batch
from worker.contract.meters import Meters, Spread
from worker.contract.metrics import (
    BUS_CONNECTS,
    CLOSES,
    EVENT_LAG_SECONDS,
    EVENTS_SENT,
    FRAMES_SENT,
    HANDSHAKES_REFUSED,
    PROBES_MISSED,
    RESETS,
)

#: An event's time stands before its data, and a text before it cannot hold an unescaped quotation mark.
_AT = b'"at":'
_AT_SIZE = len(_AT)
_DIGITS = 13


class RelayCounts:
    """For the relay's OS thread, but for `refused`, which any may call."""

    def __init__(self, meters: Meters) -> None:
        self._meters = meters
        self._events = 0
        self._frames = 0
        self._lags = Spread.of(EVENT_LAG_SECONDS)
        meters.before_reading(self._look)

    def sent(self, batch: Batch) -> None:
        """A batch was given to one viewer's connection."""
        self._events += len(batch.events)
        self._frames += 1

    def handed_over(self, events: Iterable[bytes]) -> None:
        """Events that were published just now have been given to all connections that take them."""
        now, lags, bounds = time.time(), self._lags, EVENT_LAG_SECONDS.buckets
        for raw in events:
            start = raw.find(_AT) + _AT_SIZE
            try:
                lag = max(0.0, now - int(raw[start : start + _DIGITS]) / 1000)
            except ValueError:
                continue
            lags.counts[bisect_left(bounds, lag)] += 1
            lags.total += lag

    def reset(self, reason: str) -> None:
        self._meters.count(RESETS, reason)

    def closed(self, kind: str, code: str) -> None:
        self._meters.count(CLOSES, kind, code)

    def refused(self, reason: str) -> None:
        self._meters.count(HANDSHAKES_REFUSED, reason)

    def connected(self) -> None:
        self._meters.count(BUS_CONNECTS)

    def probe_missed(self) -> None:
        self._meters.count(PROBES_MISSED)

    def _look(self) -> None:
        self._meters.set(EVENTS_SENT, self._events)
        self._meters.set(FRAMES_SENT, self._frames)
        self._meters.set_spread(EVENT_LAG_SECONDS, self._lags)
