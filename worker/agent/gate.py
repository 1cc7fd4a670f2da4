"""The gate: where an agent's next step waits until it may be taken.

Every step that the journal does not answer goes through it: tool calls and model requests. It holds a step back until
the agents have asked again for everything that was done before (a step that comes too early is one of an agent that has
changed), and for good once the worker stops or a person has to decide. A run whose branches all stand at the gate can
be given back without tearing anything.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Never

from worker.agent.journal import Journal

#: Answers from the journal take milliseconds; an agent's own waits between its steps may take some seconds.
CATCH_UP_SECONDS = 10.0
_LOOK_SECONDS = 0.02
#: Looks in a row at which no step is under way before a run is given back: its next step may be about to begin.
_QUIET_LOOKS = 5


class Gate:
    """Of one attempt at a run; for its event loop.

    Args:
        on_mismatch: told, in words, when the journal does not fit the agent; the step then waits for the run's end.
    """

    def __init__(self, journal: Journal, *, on_mismatch: Callable[[str], None]) -> None:
        self._journal = journal
        self._on_mismatch = on_mismatch
        self._is_closed = False
        self._under_way = 0
        self._is_wanted = asyncio.Event()

    @asynccontextmanager
    async def step(self) -> AsyncIterator[None]:
        """Wait for the right to take a step, and hold the run while it is under way."""
        await self._catch_up()
        if self._is_closed:
            await _for_ever()
        self._under_way += 1
        try:
            yield
        finally:
            self._under_way -= 1

    def close(self) -> None:
        """Let no further step begin; those under way go on."""
        self._is_closed = True
        self._is_wanted.set()

    async def wait_for_person(self) -> Never:
        """Wait inside of a step, for good: the run is given back, and the next attempt knows what was decided."""
        self._under_way -= 1
        self._is_wanted.set()
        try:
            await _for_ever()
        finally:
            self._under_way += 1

    async def all_wait(self) -> None:
        """Return when the run can be given back: it is closed or waits for a person, and no step is under way."""
        await self._is_wanted.wait()
        quiet = 0
        while quiet < _QUIET_LOOKS:
            await asyncio.sleep(_LOOK_SECONDS)
            quiet = 0 if self._under_way else quiet + 1

    async def _catch_up(self) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + CATCH_UP_SECONDS
        while unasked := self._journal.unasked:
            if loop.time() > deadline:
                await self.refuse(f"The agent did not ask again for {unasked[0]}, which it had done before.")
            await asyncio.sleep(_LOOK_SECONDS)

    async def refuse(self, words: str) -> Never:
        """The journal does not fit the agent: say so, and wait for the run's end."""
        self._on_mismatch(words)
        await _for_ever()


async def _for_ever() -> Never:
    await asyncio.Event().wait()
    raise AssertionError("never set")
