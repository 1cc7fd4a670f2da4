"""Meters: the numbers of one process, and their way to whichever web process is asked for them.

A worker on a platform has no port, and the router picks any web process. So every process stores a snapshot of its
numbers in Redis every few seconds, and any web process answers for all (`docs/decisions/0013-…`). Snapshots carry only
names and numbers: a reader of another version skips what it does not know.
"""

from __future__ import annotations

import os
import threading
from bisect import bisect_left
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

import msgspec

from worker.contract import keys
from worker.contract.errors import DecodeError
from worker.contract.metric import Metric
from worker.contract.metrics import CPU_SECONDS, MEMORY, METRICS

#: How old a live process's numbers may be.
PUBLISH_SECONDS = 5.0
#: A process that has missed three of these has ended: what it had (gauges) is left out.
LIVE_SECONDS = 3 * PUBLISH_SECONDS
#: What it did (counters) stays for so long, so that a scrape every minute still sees its last.
KEEP_SECONDS = 120.0
#: Series of one metric in one process. Names come from registries, so this is only met by a mistake.
MAX_SERIES = 300
OTHER = "other"

Labels = tuple[str, ...]
Command = tuple[str | bytes | int, ...]


class Spread(msgspec.Struct, array_like=True):
    """A histogram: counts by bucket, the last one for all that is larger; and the sum."""

    counts: list[int]
    total: float = 0.0

    @classmethod
    def of(cls, metric: Metric) -> Spread:
        """An empty one."""
        return cls([0] * (len(metric.buckets) + 1))


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The numbers of a process at one moment, by metric name and label values."""

    counters: dict[str, list[tuple[Labels, float]]] = {}
    gauges: dict[str, list[tuple[Labels, float]]] = {}
    histograms: dict[str, list[tuple[Labels, Spread]]] = {}


class Meters:
    """Counts for one process. All methods may be called from any OS thread; each takes well under a microsecond.

    Args:
        metrics: Those that begin at 0 where their labels are known; others appear when something is counted.
    """

    def __init__(self, metrics: Iterable[Metric] = METRICS) -> None:
        self._lock = threading.Lock()
        self._numbers: dict[Metric, dict[Labels, float]] = {}
        self._spreads: dict[Metric, dict[Labels, Spread]] = {}
        self._looks: list[Callable[[], None]] = []
        for metric in metrics:
            for labels in metric.known:
                if metric.kind == "histogram":
                    self._spreads.setdefault(metric, {})[labels] = Spread.of(metric)
                else:
                    self._numbers.setdefault(metric, {})[labels] = 0.0

    def count(self, metric: Metric, *labels: str, by: float = 1) -> None:
        """Add to a counter."""
        with self._lock:
            series = self._numbers.get(metric) or self._numbers.setdefault(metric, {})
            if labels not in series:
                labels = self._admit(metric, labels, len(series))
            series[labels] = series.get(labels, 0.0) + by

    def observe(self, metric: Metric, value: float, *labels: str) -> None:
        """Put a value into a histogram."""
        with self._lock:
            series = self._spreads.get(metric) or self._spreads.setdefault(metric, {})
            spread = series.get(labels)
            if spread is None:
                spread = series.setdefault(self._admit(metric, labels, len(series)), Spread.of(metric))
            spread.counts[bisect_left(metric.buckets, value)] += 1
            spread.total += value

    def set(self, metric: Metric, value: float, *labels: str) -> None:
        """Say what a gauge, or a counter that is kept elsewhere, stands at."""
        with self._lock:
            self._numbers.setdefault(metric, {})[labels] = value

    def set_spread(self, metric: Metric, spread: Spread) -> None:
        """Say how a histogram without labels stands that is kept elsewhere."""
        with self._lock:
            self._spreads.setdefault(metric, {})[()] = spread

    def before_reading(self, look: Callable[[], None]) -> None:
        """Have `look` set what is only known by looking, whenever a snapshot is made, by the OS thread that does it."""
        self._looks.append(look)

    def snapshot(self, *, with_gauges: bool = True) -> Snapshot:
        """Give the numbers of now. Without gauges, for a process that ends: it will have nothing any more."""
        for look in (self._look_at_process, *self._looks):
            look()
        with self._lock:
            return Snapshot(
                counters=self._listed("counter"),
                gauges=self._listed("gauge") if with_gauges else {},
                histograms={
                    metric.name: [
                        (labels, Spread(list(spread.counts), spread.total)) for labels, spread in series.items()
                    ]
                    for metric, series in self._spreads.items()
                },
            )

    def _listed(self, kind: str) -> dict[str, list[tuple[Labels, float]]]:
        return {metric.name: list(series.items()) for metric, series in self._numbers.items() if metric.kind == kind}

    def _admit(self, metric: Metric, labels: Labels, count: int) -> Labels:
        if len(labels) != len(metric.labels):
            raise ValueError(f"{metric.name} has the labels {metric.labels}, not {labels}")
        return labels if count < MAX_SERIES else (OTHER,) * len(labels)

    def _look_at_process(self) -> None:
        times = os.times()
        self.set(CPU_SECONDS, times.user + times.system)
        with suppress(OSError, IndexError, ValueError):
            pages = int(Path("/proc/self/statm").read_text().split()[1])
            self.set(MEMORY, pages * os.sysconf("SC_PAGE_SIZE"))


def publish(process: str, snapshot: Snapshot) -> list[Command]:
    """Give the commands that store a process's numbers. May be repeated."""
    key = keys.figures(process)
    raw = msgspec.json.encode(snapshot)
    return [("SADD", keys.PROCESSES, process), ("SET", key, raw, "PX", round(KEEP_SECONDS * 1000))]


def read_snapshot(raw: bytes) -> Snapshot:
    """Read what `publish` has stored.

    Raises:
        DecodeError: A process of another version wrote it.
    """
    try:
        return msgspec.json.decode(raw, type=Snapshot)
    except msgspec.DecodeError as error:
        raise DecodeError(f"not a snapshot: {error}") from error


def is_live(remaining_ms: int) -> bool:
    """Whether a snapshot with this much life left is of a process that still writes them."""
    return remaining_ms > (KEEP_SECONDS - LIVE_SECONDS) * 1000
