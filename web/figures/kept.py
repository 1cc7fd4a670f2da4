"""A value that many ask for and that costs something to make."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")

#: Of an OS thread's time, at most one part in so many goes into making the value, however large it has grown.
_SHARE = 10


class Kept(Generic[T]):
    """Made when asked for, at most once in so many seconds; who asks meanwhile gets the same. For many OS threads."""

    def __init__(self, make: Callable[[], T], *, seconds: float) -> None:
        self._make = make
        self._seconds = seconds
        self._lock = threading.Lock()
        self._value: tuple[T] | None = None
        self._until = 0.0

    def get(self) -> T:
        """Give the value, which may be some seconds old; raises what making it raises."""
        with self._lock:
            began = time.monotonic()
            if self._value is None or began >= self._until:
                self._value = (self._make(),)
                ended = time.monotonic()
                self._until = ended + max(self._seconds, (ended - began) * _SHARE)
            return self._value[0]

    def forget(self) -> None:
        """Something was changed: whoever asks next gets a new one."""
        with self._lock:
            self._value = None
