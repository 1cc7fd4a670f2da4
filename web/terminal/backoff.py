"""How long to wait before another try, and when to give up. No I/O."""

from __future__ import annotations

import random
from collections.abc import Callable

_random = random.SystemRandom()

FIRST_SECONDS = 0.5
LONGEST_SECONDS = 30.0
#: A link that has lasted for so long was no accident.
STABLE_SECONDS = 10.0


class Backoff:
    """Full jitter below a bound that doubles, within a limit of patience that counts from the first failure.

    Args:
        patience: Seconds without any success after which to give up.
        now: A clock in seconds that only goes forward.
        spread: Gives a number from 0 to 1.
    """

    def __init__(
        self, patience: float, *, now: Callable[[], float], spread: Callable[[], float] = _random.random
    ) -> None:
        self._patience = patience
        self._now = now
        self._spread = spread
        self._tries = 0
        self._failing_since: float | None = None
        self._connected_at: float | None = None

    def connected(self, *, patience: float) -> None:
        """The server has let us in; from now on it is worth waiting for so many seconds."""
        self._patience = patience
        self._connected_at = self._now()
        self._failing_since = None

    def next_wait(self, hint: float | None = None) -> float | None:
        """Say how long to wait after a failure, or a link that ended; None: give up.

        Args:
            hint: Seconds after which the server wants to be asked again.
        """
        now = self._now()
        if self._connected_at is not None and now - self._connected_at >= STABLE_SECONDS:
            self._tries = 0
        self._connected_at = None
        self._failing_since = now if self._failing_since is None else self._failing_since
        bound = min(LONGEST_SECONDS, FIRST_SECONDS * 2.0**self._tries)
        self._tries = min(self._tries + 1, 16)
        wait = self._spread() * bound if hint is None else min(hint, LONGEST_SECONDS)
        left = self._patience - (now - self._failing_since)
        return min(wait, left) if left > 0 else None
