"""When `make run` starts a process again."""

from __future__ import annotations

from worker.local.restarts import MOST_ENDS, WITHIN_SECONDS, Restarts


def test_a_process_that_ends_now_and_then_is_always_started_again() -> None:
    restarts = Restarts()

    assert all(restarts.may_restart("web", now=place * WITHIN_SECONDS) for place in range(50))


def test_a_process_that_ends_again_and_again_is_given_up() -> None:
    restarts = Restarts()

    answers = [restarts.may_restart("web", now=place) for place in range(MOST_ENDS + 1)]

    assert answers == [True] * MOST_ENDS + [False]


def test_each_process_is_counted_by_itself() -> None:
    restarts = Restarts()
    for place in range(MOST_ENDS):
        restarts.may_restart("web", now=place)

    assert restarts.may_restart("worker", now=MOST_ENDS)
