"""Carries on with a command's work until it is done, or until the person, a signal or the clock ends it."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Coroutine
from typing import Any

from web.terminal.errors import ExitCode


class Attention:
    """Watches over one coroutine.

    Args:
        on_interrupt: Called for every Ctrl-C; answers whether to go on all the same.
    """

    def __init__(self, *, on_interrupt: Callable[[], bool] = lambda: False) -> None:
        self._on_interrupt = on_interrupt
        self._task: asyncio.Task[int] | None = None
        #: Set once the work was left, before its end.
        self.left: ExitCode | None = None

    async def give(self, work: Coroutine[Any, Any, int], *, timeout_seconds: float | None = None) -> int:
        """Carry on with the work; answers its exit code, or the one that it was left with."""
        loop = asyncio.get_running_loop()
        self._task = loop.create_task(work)
        loop.add_signal_handler(signal.SIGINT, self._interrupted)
        for signum in (signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(signum, self.leave, ExitCode.TERMINATED)
        timer = loop.call_later(timeout_seconds, self.leave, ExitCode.TIMED_OUT) if timeout_seconds else None
        try:
            return await self._task
        except asyncio.CancelledError:
            if self.left is None:
                raise
            return self.left
        finally:
            if timer is not None:
                timer.cancel()
            for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                loop.remove_signal_handler(signum)

    def leave(self, code: ExitCode) -> None:
        """End the work here and now."""
        if self.left is None and self._task is not None:
            self.left = code
            self._task.cancel()

    def _interrupted(self) -> None:
        if not self._on_interrupt():
            self.leave(ExitCode.INTERRUPTED)
