from __future__ import annotations

import threading
from typing import Any

import msgspec
import pytest

from worker.contract.errors import DecodeError
from worker.contract.meters import (
    KEEP_SECONDS,
    LIVE_SECONDS,
    MAX_SERIES,
    OTHER,
    Meters,
    Snapshot,
    is_live,
    publish,
    read_snapshot,
)
from worker.contract.metric import UNMETERED, Metric
from worker.contract.metrics import METRICS, table

COUNTER = Metric(name="things", kind="counter", source="web", words="Things.", labels=("kind",), known=(("a",),))
GAUGE = Metric(name="size", kind="gauge", source="web", words="Size.")
TIMES = Metric(name="times", kind="histogram", source="web", words="Times.", buckets=(0.1, 1.0))


def stored(meters: Meters, **options: Any) -> Snapshot:
    """A snapshot after its way through Redis."""
    [_, (_, _, raw, *_)] = publish("web_1", meters.snapshot(**options))
    assert isinstance(raw, bytes)
    return read_snapshot(raw)


def test_what_is_known_beforehand_begins_at_zero() -> None:
    assert stored(Meters([COUNTER])).counters["things"] == [(("a",), 0.0)]


def test_counts_add_up_by_their_labels() -> None:
    meters = Meters([COUNTER])
    meters.count(COUNTER, "a")
    meters.count(COUNTER, "b", by=3)
    meters.count(COUNTER, "a")

    assert dict(stored(meters).counters["things"]) == {("a",): 2.0, ("b",): 3.0}


def test_a_value_falls_into_the_bucket_that_it_does_not_exceed() -> None:
    meters = Meters([])
    for seconds in (0.1, 0.2, 1.0, 5.0):
        meters.observe(TIMES, seconds)

    [(labels, spread)] = stored(meters).histograms["times"]
    assert (labels, spread.counts) == ((), [1, 2, 1])
    assert spread.total == pytest.approx(6.3)


def test_labels_that_do_not_fit_the_metric_are_a_mistake_that_shows() -> None:
    with pytest.raises(ValueError, match="things has the labels"):
        Meters([]).count(COUNTER)


def test_more_series_than_registries_can_have_are_counted_together() -> None:
    meters = Meters([])
    for number in range(MAX_SERIES + 50):
        meters.count(COUNTER, f"kind {number}")

    series = dict(stored(meters).counters["things"])
    assert len(series) == MAX_SERIES + 1
    assert series[OTHER,] == 50


def test_gauges_are_looked_up_when_asked_and_left_out_at_the_end() -> None:
    meters = Meters([])
    meters.before_reading(lambda: meters.set(GAUGE, 7))

    assert stored(meters).gauges["size"] == [((), 7.0)]
    assert stored(meters, with_gauges=False).gauges == {}


def test_many_os_threads_lose_no_count() -> None:
    meters = Meters([])

    def count() -> None:
        for _ in range(5_000):
            meters.count(COUNTER, "a")

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert dict(stored(meters).counters["things"])["a",] == 20_000


def test_a_snapshot_of_a_newer_version_is_read_as_far_as_it_goes() -> None:
    newer = msgspec.json.encode({"counters": {"new": [[["x"], 1]]}, "summaries": {"y": 1}})

    assert read_snapshot(newer).counters == {"new": [(("x",), 1.0)]}


def test_bytes_that_are_no_snapshot_are_refused() -> None:
    with pytest.raises(DecodeError):
        read_snapshot(b'{"counters": 7}')


def test_a_process_that_missed_three_snapshots_has_ended() -> None:
    kept_ms = KEEP_SECONDS * 1000

    assert is_live(round(kept_ms - LIVE_SECONDS * 1000 + 1))
    assert not is_live(round(kept_ms - LIVE_SECONDS * 1000))


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_every_metric_of_the_table_keeps_prometheus_rules(metric: Metric) -> None:
    assert metric.name.startswith("outloud_")
    assert not metric.name.endswith("_total")
    assert (metric.kind == "histogram") == bool(metric.buckets)
    assert list(metric.buckets) == sorted(set(metric.buckets))
    assert all(len(labels) == len(metric.labels) for labels in metric.known)
    assert metric.kind != "histogram" or metric.name.endswith("_seconds")


def test_names_are_not_given_twice() -> None:
    assert len({metric.name for metric in METRICS}) == len(METRICS)
    assert table().count("\n| `") == len(METRICS)


def test_who_counts_nothing_can_be_told_anything() -> None:
    UNMETERED.count(COUNTER, "a")
    UNMETERED.observe(TIMES, 1.0)
