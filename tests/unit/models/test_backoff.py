"""The waits between tries."""

from __future__ import annotations

import pytest

from worker.models.backoff import in_words, wait_seconds


def test_the_longest_wait_doubles_up_to_its_cap() -> None:
    waits = [wait_seconds(retry, asked=None, random=lambda: 1.0) for retry in range(1, 9)]
    assert waits == [0.5, 1, 2, 4, 8, 16, 20, 20]


def test_the_jitter_is_full() -> None:
    assert wait_seconds(4, asked=None, random=lambda: 0.0) == 0
    assert wait_seconds(4, asked=None, random=lambda: 0.5) == 2


@pytest.mark.parametrize(("asked", "seconds"), [(0.0, 0.0), (7.0, 7.0), (30.0, 30.0), (31.0, 30.0)])
def test_what_the_provider_asks_for_counts_up_to_half_a_minute(asked: float, seconds: float) -> None:
    assert wait_seconds(1, asked=asked, random=lambda: 1.0) == seconds


def test_a_very_high_number_of_tries_does_not_overflow() -> None:
    assert wait_seconds(1000, asked=None, random=lambda: 1.0) == 20


@pytest.mark.parametrize(
    ("seconds", "words"), [(2.0, "2 s"), (0.44, "0.4 s"), (0.04, "a moment"), (0.0, "a moment"), (12.34, "12.3 s")]
)
def test_a_wait_is_told_in_round_figures(seconds: float, words: str) -> None:
    assert in_words(seconds) == words
