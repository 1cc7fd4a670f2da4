"""The last hour, minute by minute, from how runs ended and which are unfinished. No I/O.

Exact as far as the list of ended runs reaches back; the queue is the most runs at one time in a minute that had been
accepted and that no worker had begun.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec

from worker.contract.ended import EndedRun
from worker.contract.run import RunState

MINUTE_MS = 60_000
MINUTES = 60

Outcome = Literal["completed", "failed", "cancelled"]


class Minute(msgspec.Struct, frozen=True, kw_only=True):
    """One minute; quantiles are null where nothing was measured."""

    #: When it began, Unix milliseconds.
    at: int
    completed: int
    failed: int
    cancelled: int
    #: Most runs at one time that waited to begin.
    queued: int
    #: From acceptance until a worker began, of the runs that ended in it.
    wait_p50: int | None
    wait_p95: int | None
    #: From acceptance to the end, likewise.
    took_p50: int | None
    took_p95: int | None


class Hour(msgspec.Struct, frozen=True, kw_only=True):
    at: int
    #: Since when it is whole: later than an hour ago when more runs ended than are kept.
    since: int
    completed: int
    failed: int
    cancelled: int
    minutes: list[Minute]


def look_back(ended: Sequence[EndedRun], unfinished: Iterable[tuple[int, int]], *, now: int, is_cut: bool) -> Hour:
    """Tell the last hour.

    Args:
        ended: those of the last hour, oldest first.
        unfinished: (created at, started at) of the others; 0 means not yet.
        is_cut: True when older ones of the hour were dropped.
    """
    first = now // MINUTE_MS - MINUTES + 1
    by_minute: dict[int, list[EndedRun]] = defaultdict(list)
    for run in ended:
        by_minute[run.ended_at // MINUTE_MS].append(run)
    waits = [(run.created_at, run.started_at or run.ended_at) for run in ended]
    peaks = _peaks([*waits, *((created, started or now) for created, started in unfinished)], first=first)
    minutes = [_minute(first + n, by_minute[first + n], peaks[n]) for n in range(MINUTES)]
    return Hour(
        at=now,
        since=ended[0].ended_at if is_cut and ended else first * MINUTE_MS,
        completed=sum(minute.completed for minute in minutes),
        failed=sum(minute.failed for minute in minutes),
        cancelled=sum(minute.cancelled for minute in minutes),
        minutes=minutes,
    )


def _minute(number: int, runs: list[EndedRun], peak: int) -> Minute:
    waits = [run.started_at - run.created_at for run in runs if run.started_at]
    times = [run.ended_at - run.created_at for run in runs]
    return Minute(
        at=number * MINUTE_MS,
        completed=_count(runs, RunState.COMPLETED),
        failed=_count(runs, RunState.FAILED),
        cancelled=_count(runs, RunState.CANCELLED),
        queued=peak,
        wait_p50=quantile(waits, 0.5),
        wait_p95=quantile(waits, 0.95),
        took_p50=quantile(times, 0.5),
        took_p95=quantile(times, 0.95),
    )


def _count(runs: list[EndedRun], state: RunState) -> int:
    return sum(run.state is state for run in runs)


def quantile(values: Sequence[int], share: float) -> int | None:
    """Give the smallest value that at least this share of them does not exceed; None for no values."""
    if not values:
        return None
    place = max(0, -(-len(values) * round(share * 100) // 100) - 1)
    return max(0, sorted(values)[place])


def _peaks(waits: Iterable[tuple[int, int]], *, first: int) -> list[int]:
    """The most that waited at one time in each minute, from when each began and ceased to wait."""
    changes: list[tuple[int, int]] = []
    for begin, end in waits:
        # At one instant those that cease come first: a run that was taken at once has not waited.
        if end > begin:
            changes += ((begin, 1), (end, -1))
    changes.sort()
    peaks = [0] * MINUTES
    level = 0
    filled = 0
    for at, change in changes:
        place = at // MINUTE_MS - first
        filled = _fill(peaks, filled, place, level)
        level += change
        if 0 <= place < MINUTES:
            peaks[place] = max(peaks[place], level)
    _fill(peaks, filled, MINUTES - 1, level)
    return peaks


def _fill(peaks: list[int], start: int, end: int, level: int) -> int:
    """From minute `start` to the beginning of minute `end` nothing changed; returns where the next stretch starts."""
    for place in range(max(0, start), min(end, MINUTES - 1) + 1):
        peaks[place] = max(peaks[place], level)
    return max(start, end)
