"""The last hour from how runs ended."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from web.ops.hour import MINUTE_MS, MINUTES, look_back, quantile
from worker.contract.ended import EndedRun, entry_of, read_entry
from worker.contract.errors import DecodeError
from worker.contract.run import RunState

NOW = 1_000 * MINUTE_MS + 30_000


def ended(state: str = "completed", *, ago: int, waited: int = 0, took: int = 0) -> EndedRun:
    end = NOW - ago
    return EndedRun("run_1", RunState(state), end - took, end - took + waited, end)


def hour(*runs: EndedRun, unfinished: Any = (), is_cut: bool = False) -> Any:
    return look_back(sorted(runs, key=lambda run: run.ended_at), unfinished, now=NOW, is_cut=is_cut)


def test_ends_are_counted_in_their_minute_by_outcome() -> None:
    told = hour(ended(ago=0), ended("failed", ago=31_000), ended("cancelled", ago=31_000), ended(ago=59 * MINUTE_MS))

    assert (told.completed, told.failed, told.cancelled) == (2, 1, 1)
    assert len(told.minutes) == MINUTES
    assert told.minutes[-1].at == 1_000 * MINUTE_MS
    last, before, first = told.minutes[-1], told.minutes[-2], told.minutes[0]
    assert (last.completed, before.failed, before.cancelled, first.completed) == (1, 1, 1, 1)


def test_times_are_quantiles_of_the_runs_that_ended_in_a_minute() -> None:
    runs = [ended(ago=1_000, waited=n, took=n * 10) for n in range(1, 101)]
    last = hour(*runs).minutes[-1]

    assert (last.wait_p50, last.wait_p95) == (50, 95)
    assert (last.took_p50, last.took_p95) == (500, 950)
    assert hour(*runs).minutes[0].took_p50 is None


def test_the_queue_is_the_most_that_waited_at_one_time() -> None:
    minute = NOW - 10 * MINUTE_MS
    one, two = (minute, minute + 2 * MINUTE_MS), (minute + 1_000, minute + 5_000)
    runs = [EndedRun("run_1", RunState.COMPLETED, created, started, NOW) for created, started in (one, two)]
    queued = [told.queued for told in hour(*runs).minutes]

    assert queued[-11:-7] == [2, 1, 1, 0]
    assert sum(queued) == 4


def test_a_run_that_waits_still_counts_until_now() -> None:
    told = hour(unfinished=[(NOW - 2 * MINUTE_MS, 0), (NOW - MINUTE_MS, NOW - MINUTE_MS)])

    assert [minute.queued for minute in told.minutes[-4:]] == [0, 1, 1, 1]


def test_a_wait_that_began_before_the_hour_is_seen_in_it() -> None:
    told = hour(unfinished=[(NOW - 100 * MINUTE_MS, 0)])

    assert {minute.queued for minute in told.minutes} == {1}


def test_it_says_since_when_it_is_whole() -> None:
    assert hour(ended(ago=5_000)).since == hour().minutes[0].at
    assert hour(ended(ago=5_000), is_cut=True).since == NOW - 5_000


@given(st.lists(st.integers(0, 1_000_000), min_size=1, max_size=50), st.sampled_from([0.5, 0.95]))
def test_a_quantile_is_a_value_that_the_share_does_not_exceed(values: list[int], share: float) -> None:
    found = quantile(values, share)

    assert found in values
    assert sum(value <= found for value in values) >= share * len(values) - 1e-9
    assert sum(value < found for value in values) < share * len(values)


def test_an_entry_is_read_as_it_was_written() -> None:
    run = ended("failed", ago=7, waited=3, took=10)

    assert read_entry(entry_of(run).encode()) == run
    for bad in (b"", b"run_1 completed 1 2", b"run_1 running 1 2 3", b"run_1 new 1 2 3", b"run_1 completed a b c"):
        with pytest.raises(DecodeError):
            read_entry(bad)
