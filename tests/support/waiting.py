"""Wait for a condition with a deadline; no test sleeps a guess.

`TEST_TIME_SCALE=3` stretches every deadline for a slow machine.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

TIME_SCALE = float(os.environ.get("TEST_TIME_SCALE", "1"))
POLL_SECONDS = 0.02


def scaled(seconds: float) -> float:
    """`seconds`, stretched for this machine."""
    return seconds * TIME_SCALE


def wait_until(condition: Callable[[], T], deadline: float = 10.0, *, what: str = "") -> T:
    """Call `condition` until it is true and return what it returned; fail after `deadline` seconds.

    Args:
        condition: without side effects; what it raises goes to the caller at once.
        what: what was waited for, for the failure's message.
    """
    end = time.monotonic() + scaled(deadline)
    while not (value := condition()):
        if time.monotonic() > end:
            raise AssertionError(_too_late(condition, deadline, what, value))
        time.sleep(POLL_SECONDS)
    return value


async def wait_until_async(condition: Callable[[], Awaitable[T]], deadline: float = 10.0, *, what: str = "") -> T:
    """As `wait_until`, for a condition that is a coroutine function."""
    end = time.monotonic() + scaled(deadline)
    while not (value := await condition()):
        if time.monotonic() > end:
            raise AssertionError(_too_late(condition, deadline, what, value))
        await asyncio.sleep(POLL_SECONDS)
    return value


def _too_late(condition: object, deadline: float, what: str, value: object) -> str:
    name = what or getattr(condition, "__qualname__", repr(condition))
    return f"not within {scaled(deadline):g} s: {name} (last value: {value!r})"
