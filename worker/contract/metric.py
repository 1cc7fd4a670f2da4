"""What a metric is, and the port by which parts of a process count: they know neither Prometheus nor each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

Kind = Literal["counter", "gauge", "histogram"]
#: Who counts. `both`: whichever process does the reaper's work. `redis`: read when asked, for the whole system.
Source = Literal["worker", "web", "both", "redis"]


# Compared and hashed by identity: a metric is looked up for every event.
@dataclass(frozen=True, eq=False, kw_only=True)
class Metric:
    """One metric. Times are in seconds, as Prometheus has it."""

    name: str
    kind: Kind
    source: Source
    words: str
    labels: tuple[str, ...] = ()
    #: Upper bounds of a histogram, without the last one that takes all.
    buckets: tuple[float, ...] = ()
    #: Label values that are known from the start. They begin at 0: Prometheus sees no rise in a series that appears
    #: with a 1, so the first killed worker would ring no bell.
    known: tuple[tuple[str, ...], ...] = ()

    @property
    def shown_name(self) -> str:
        """The name as a query has it."""
        return f"{self.name}_total" if self.kind == "counter" else self.name


class Meter(Protocol):
    """Where a part of a process counts what it does."""

    def count(self, metric: Metric, *labels: str, by: float = 1) -> None:
        """Add to a counter."""

    def observe(self, metric: Metric, value: float, *labels: str) -> None:
        """Put a value into a histogram."""


class Unmetered:
    """Counts nothing: for checks and tests that are about something else."""

    def count(self, metric: Metric, *labels: str, by: float = 1) -> None:
        pass

    def observe(self, metric: Metric, value: float, *labels: str) -> None:
        pass


UNMETERED = Unmetered()

#: A tool or an agent that is not registered; a model may ask for any name.
UNKNOWN = "unknown"
