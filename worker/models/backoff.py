"""How long to wait before a request is made again. A rule without I/O."""

from __future__ import annotations

from collections.abc import Callable

_BASE_SECONDS = 0.5
_CAP_SECONDS = 20.0
#: A person is waiting: a provider that asks for more than this is asked sooner, and then given up.
_MAX_ASKED_SECONDS = 30.0


def wait_seconds(retry: int, *, asked: float | None, random: Callable[[], float]) -> float:
    """Say how long to wait before the `retry`-th further try, counted from 1.

    Exponential with full jitter, so that runs which failed together do not come back together.

    Args:
        asked: what the provider asked for in `Retry-After`; None when it did not.
        random: gives a number from 0 to 1.
    """
    if asked is not None:
        return min(asked, _MAX_ASKED_SECONDS)
    return random() * min(_CAP_SECONDS, _BASE_SECONDS * 2.0 ** (retry - 1))


def in_words(seconds: float) -> str:
    """The wait as people read it, such as `2 s`, `0.4 s` or `a moment`."""
    rounded = round(seconds, 1)
    return f"{rounded:g} s" if rounded else "a moment"
