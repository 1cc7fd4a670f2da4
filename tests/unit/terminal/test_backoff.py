"""How long to wait, and when to give up."""

from __future__ import annotations

import pytest

from web.terminal.backoff import Backoff


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_the_bound_doubles_up_to_thirty_seconds(clock: Clock) -> None:
    backoff = Backoff(10_000, now=clock, spread=lambda: 1.0)

    assert [backoff.next_wait() for _ in range(8)] == [0.5, 1, 2, 4, 8, 16, 30, 30]


def test_waits_are_spread_from_nothing_to_the_bound(clock: Clock) -> None:
    assert Backoff(100, now=clock, spread=lambda: 0.0).next_wait() == 0
    assert Backoff(100, now=clock, spread=lambda: 0.5).next_wait() == 0.25


def test_patience_counts_from_the_first_failure_and_the_last_wait_fits_into_it(clock: Clock) -> None:
    backoff = Backoff(30, now=clock, spread=lambda: 1.0)
    backoff.next_wait()
    clock.seconds = 29.9

    assert backoff.next_wait() == pytest.approx(0.1)
    clock.seconds = 30
    assert backoff.next_wait() is None


def test_an_answer_renews_the_patience(clock: Clock) -> None:
    backoff = Backoff(30, now=clock, spread=lambda: 1.0)
    backoff.next_wait()
    clock.seconds = 29
    backoff.connected(patience=600)
    clock.seconds = 500

    assert backoff.next_wait() is not None


def test_only_a_link_that_lasts_sets_the_bound_back(clock: Clock) -> None:
    backoff = Backoff(1000, now=clock, spread=lambda: 1.0)
    for _ in range(3):
        backoff.next_wait()
    backoff.connected(patience=1000)
    clock.seconds = 9
    assert backoff.next_wait() == 4
    backoff.connected(patience=1000)
    clock.seconds = 30
    assert backoff.next_wait() == 0.5


def test_the_server_s_hint_is_followed_within_reason(clock: Clock) -> None:
    backoff = Backoff(1000, now=clock, spread=lambda: 1.0)

    assert backoff.next_wait(3.0) == 3.0
    assert backoff.next_wait(86_400.0) == 30.0
