"""What a long tool reports: the newest report counts, a few a second are shown, none after the call has ended."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

#: Faster than this nobody can read; a tool may report from a tight loop all the same.
INTERVAL_SECONDS = 0.1

Write = Callable[[str, float | None], Awaitable[None]]


class Progress:
    """The reports of one tool call. Made and closed on the event loop; `report` may be called from any OS thread."""

    def __init__(self, write: Write) -> None:
        self._write = write
        self._loop = asyncio.get_running_loop()
        self._newest: tuple[str, float | None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._due_at = 0.0
        self._is_closed = False
        self._writes: set[asyncio.Future[None]] = set()

    async def tell(self, text: str, fraction: float | None = None) -> None:
        """Report from the event loop; waits for nothing but its turn."""
        self._offer(text, fraction)
        await asyncio.sleep(0)

    def report(self, text: str, fraction: float | None = None) -> None:
        """Report from another OS thread; does not wait."""
        self._loop.call_soon_threadsafe(self._offer, text, fraction)

    def close(self) -> None:
        """The call is over: later reports go nowhere."""
        self._is_closed = True
        if self._timer is not None:
            self._timer.cancel()

    def _offer(self, text: str, fraction: float | None) -> None:
        if self._is_closed:
            return
        self._newest = text, fraction
        if self._timer is None:
            self._timer = self._loop.call_at(max(self._due_at, self._loop.time()), self._flush)

    def _flush(self) -> None:
        self._timer = None
        if self._newest is None or self._is_closed:
            return
        (text, fraction), self._newest = self._newest, None
        self._due_at = self._loop.time() + INTERVAL_SECONDS
        write = asyncio.ensure_future(self._write(text, fraction))
        self._writes.add(write)
        write.add_done_callback(self._written)

    def _written(self, write: asyncio.Future[None]) -> None:
        self._writes.discard(write)
        if not write.cancelled():
            # A run that cannot be written is told so by its next step; a report is not worth it.
            write.exception()
