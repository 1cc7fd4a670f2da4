from __future__ import annotations

from dataclasses import replace

from web.relay.backoff import Backoff
from web.relay.limits import RelayLimits

LIMITS = replace(RelayLimits(), reconnect_first_seconds=1.0, reconnect_last_seconds=4.0)


def test_waits_stay_below_a_bound_that_doubles_up_to_the_last() -> None:
    backoff = Backoff(LIMITS)

    for bound in (1, 2, 4, 4, 4):
        assert 0 <= backoff.next_wait() <= bound


def test_waits_are_spread_over_the_whole_range() -> None:
    waits = [Backoff(LIMITS).next_wait() for _ in range(200)]

    assert min(waits) < 0.2
    assert max(waits) > 0.8


def test_success_begins_anew() -> None:
    backoff = Backoff(LIMITS)
    for _ in range(5):
        backoff.next_wait()

    backoff.reset()

    assert backoff.next_wait() <= 1
