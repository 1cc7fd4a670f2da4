"""When a process that ended is started again, and when not any more. A rule without I/O."""

from __future__ import annotations

from collections import defaultdict, deque

#: A process manager starts what ends; what ends at once again and again has a reason that a person should read.
MOST_ENDS = 5
WITHIN_SECONDS = 60.0
#: Before a restart, so that a port and a file are free again.
PAUSE_SECONDS = 1.0


class Restarts:
    """The ends of each process, by name. Times are any clock's, in seconds."""

    def __init__(self) -> None:
        self._ends: defaultdict[str, deque[float]] = defaultdict(deque)

    def may_restart(self, name: str, *, now: float) -> bool:
        """Note that a process has ended; False if it has too often of late."""
        ends = self._ends[name]
        ends.append(now)
        while ends[0] < now - WITHIN_SECONDS:
            ends.popleft()
        return len(ends) <= MOST_ENDS
