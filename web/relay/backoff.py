"""Waiting before another attempt, so that many who failed together do not come back together."""

from __future__ import annotations

import random

from web.relay.limits import RelayLimits

_random = random.SystemRandom()


def between(low: float, high: float) -> float:
    """A time somewhere between two."""
    return _random.uniform(low, high)


class Backoff:
    """Full jitter: anything from 0 to a bound that doubles with every attempt."""

    def __init__(self, limits: RelayLimits) -> None:
        self._first = limits.reconnect_first_seconds
        self._last = limits.reconnect_last_seconds
        self._bound = self._first

    def next_wait(self) -> float:
        """Seconds to wait now."""
        wait = between(0, self._bound)
        self._bound = min(self._bound * 2, self._last)
        return wait

    def reset(self) -> None:
        """An attempt has succeeded."""
        self._bound = self._first
