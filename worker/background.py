"""Work that a worker does beside its runs, for as long as it lives: nothing that goes wrong once may end it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable

from worker.redis_client import is_away

logger = logging.getLogger(__name__)

#: After a failure, before the next try; also the shortest time between two tries.
RETRY_SECONDS = 0.5


async def end(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Cancel tasks until they have ended: before Python 3.12 a time limit inside of one may swallow a cancellation."""
    pending = {task for task in tasks if not task.done()}
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=RETRY_SECONDS)


async def repeat(name: str, work: Callable[[], Awaitable[None]], *, every: float, first: float | None = None) -> None:
    """Do `work` every so many seconds, for ever, and for the first time after `first`; soon again after a failure."""
    pause = every if first is None else first
    while True:
        await asyncio.sleep(pause)
        try:
            await work()
        except Exception as error:
            # A lease keeper that ended would take every run of the process with it.
            pause = RETRY_SECONDS
            logger.warning(
                "background work failed",
                exc_info=None if is_away(error) else error,
                extra={"action": "background_failed", "work": name, "reason": type(error).__name__},
            )
        else:
            pause = every
