from __future__ import annotations

from web.relay.rate import TokenBucket


def test_a_burst_is_allowed_and_no_more() -> None:
    bucket = TokenBucket(rate=2, burst=3, now=0)

    assert [bucket.take(0) for _ in range(4)] == [True, True, True, False]


def test_tokens_come_back_at_the_rate() -> None:
    bucket = TokenBucket(rate=2, burst=3, now=0)
    for _ in range(3):
        bucket.take(0)

    assert not bucket.take(0.4)
    assert bucket.take(0.6)
    assert not bucket.take(0.6)


def test_rest_saves_up_no_more_than_a_burst() -> None:
    bucket = TokenBucket(rate=2, burst=3, now=0)

    assert [bucket.take(1000) for _ in range(4)] == [True, True, True, False]
