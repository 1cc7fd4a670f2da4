"""The figures of all processes as one answer to Prometheus: each series has the process that counted it as a label."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from worker.contract.meters import Labels, Snapshot, Spread
from worker.contract.metric import Metric
from worker.contract.metrics import METRICS, REDIS_UP

PROCESS = "process"

_Family = CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily


class Exposition(Collector):
    """Collects for one answer. What a process of another version calls otherwise is left out."""

    def __init__(self) -> None:
        self._known = {metric.name: metric for metric in METRICS}
        self._families: dict[str, _Family] = {}

    def collect(self) -> Iterator[_Family]:
        """Give the metrics in the order of their table."""
        for name in self._known:
            if name in self._families:
                yield self._families[name]

    def set(self, metric: Metric, value: float, *labels: str) -> None:
        """Say what a figure of the whole system is."""
        self._add_number(metric, labels, value)

    def say_redis_is_away(self) -> None:
        self.set(REDIS_UP, 0)

    def add_process(self, process: str, snapshot: Snapshot, *, with_gauges: bool = True) -> None:
        """Add what a process has counted; without gauges for one that has ended."""
        for series in (snapshot.counters, snapshot.gauges if with_gauges else {}):
            for name, numbers in series.items():
                for labels, number in numbers:
                    if (metric := self._metric(name, labels)) is not None:
                        self._add_number(metric, [*labels, process], number)
        for name, spreads in snapshot.histograms.items():
            for labels, spread in spreads:
                metric = self._metric(name, labels)
                if metric is not None and len(spread.counts) == len(metric.buckets) + 1:
                    self._add_spread(metric, labels, process, spread)

    def _metric(self, name: str, labels: Labels) -> Metric | None:
        metric = self._known.get(name)
        return metric if metric is not None and len(metric.labels) == len(labels) else None

    def _add_number(self, metric: Metric, labels: Sequence[str], number: float) -> None:
        family = self._family(metric)
        assert not isinstance(family, HistogramMetricFamily)  # noqa: S101 - the metric says so
        family.add_metric(labels, number)

    def _add_spread(self, metric: Metric, labels: Labels, process: str, spread: Spread) -> None:
        bounds = [*(f"{bound}" for bound in metric.buckets), "+Inf"]
        buckets = list(zip(bounds, accumulate(spread.counts), strict=True))
        family = self._family(metric)
        assert isinstance(family, HistogramMetricFamily)  # noqa: S101 - the metric says so
        family.add_metric([*labels, process], buckets=buckets, sum_value=spread.total)

    def _family(self, metric: Metric) -> _Family:
        family = self._families.get(metric.name)
        if family is None:
            labels = metric.labels if metric.source == "redis" else (*metric.labels, PROCESS)
            family = self._families[metric.name] = _FAMILIES[metric.kind](metric.name, metric.words, labels=labels)
        return family


_FAMILIES: dict[str, type[_Family]] = {
    "counter": CounterMetricFamily,
    "gauge": GaugeMetricFamily,
    "histogram": HistogramMetricFamily,
}
