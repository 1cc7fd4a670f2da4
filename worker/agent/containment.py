"""Keeps code that we did not write from ending the worker process."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TypeVar

from worker.agent.errors import AgentError

T = TypeVar("T")


async def contained(name: str, work: Awaitable[T]) -> T:
    """Await `work`; an attempt to leave the process becomes an error of it.

    asyncio lets SystemExit and KeyboardInterrupt out of a task and so stops the loop, with every other run on it.

    Raises:
        AgentError: It tried to leave the process.
    """
    try:
        return await work
    except (SystemExit, KeyboardInterrupt) as error:
        raise AgentError(f"{name} tried to leave the process ({type(error).__name__}).") from error
