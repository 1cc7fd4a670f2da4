"""Joins token deltas into fewer events. No I/O and no clock: the notifier gives it the time."""

from __future__ import annotations

from typing import NamedTuple

#: Between two events of one stream of tokens. Below what an eye sees, a quarter of the events of 80 tokens/s.
INTERVAL_SECONDS = 0.04
#: A delta this long is not kept back.
MAX_CHARACTERS = 1024


class DeltaKey(NamedTuple):
    """Which text a delta continues."""

    kind: str
    agent_call_id: str
    #: Message id of an answer, step of a thought.
    part: str


class Coalescer:
    """At most one pending text: a delta for another one pushes it out, so order is kept."""

    def __init__(self) -> None:
        self._key: DeltaKey | None = None
        self._pieces: list[str] = []
        self._length = 0
        self._last_taken = float("-inf")

    def conflicts(self, key: DeltaKey) -> bool:
        """Whether something else is pending, to be taken first."""
        return self._key is not None and self._key != key

    def add(self, key: DeltaKey, text: str, *, now: float) -> float:
        """Keep a delta that does not conflict. Returns the seconds after which it is due; 0 means now."""
        if self.conflicts(key):
            raise ValueError(f"{self._key} is pending; take it first")
        self._key = key
        self._pieces.append(text)
        self._length += len(text)
        if self._length >= MAX_CHARACTERS:
            return 0.0
        return max(0.0, self._last_taken + INTERVAL_SECONDS - now)

    def take(self, *, now: float) -> tuple[DeltaKey, str] | None:
        """Hand over what is pending; None when nothing is."""
        if self._key is None:
            return None
        taken = self._key, "".join(self._pieces)
        self._key, self._pieces, self._length, self._last_taken = None, [], 0, now
        return taken
