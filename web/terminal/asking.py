"""Sends a question until the server has taken it, once."""

from __future__ import annotations

import asyncio
import secrets
import time
from http import HTTPStatus

from web.terminal.activity import Situation
from web.terminal.backoff import Backoff
from web.terminal.client import Client, RunWish, Started
from web.terminal.errors import Refused, Unreachable
from web.terminal.outputs import Output

#: With nothing begun yet, there is nothing to lose by giving up.
PATIENCE_SECONDS = 30.0


class Asker:
    """Asks one question."""

    def __init__(self, client: Client, output: Output, situation: Situation) -> None:
        self._client = client
        self._output = output
        self._situation = situation
        #: Whether the server may have taken the question though it has not said so.
        self.may_have_arrived = False

    async def ask(self, wish: RunWish) -> Started:
        """Send the question. Every try has the same key, so that however many arrive, there is one run.

        Raises:
            TerminalError: The server says no, or cannot be reached for too long.
        """
        backoff = Backoff(PATIENCE_SECONDS, now=time.monotonic)
        while True:
            try:
                started = await self._try(wish)
            except Unreachable as error:
                if error.is_final:
                    raise
                problem: Unreachable | Refused = error
            except Refused as error:
                # Too many runs of one's own do not end by waiting here.
                if error.status < HTTPStatus.INTERNAL_SERVER_ERROR:
                    raise
                problem = error
            else:
                self._situation.trouble = ""
                return started
            await self._wait(backoff, problem)

    async def _try(self, wish: RunWish) -> Started:
        arrived_before, self.may_have_arrived = self.may_have_arrived, True
        try:
            await self._client.ensure_user()
            return await self._client.start_run(wish)
        except Unreachable as error:
            self.may_have_arrived = arrived_before or error.was_sent
            raise
        except Refused:
            self.may_have_arrived = arrived_before
            raise

    async def _wait(self, backoff: Backoff, problem: Unreachable | Refused) -> None:
        wait = backoff.next_wait(problem.retry_after if isinstance(problem, Refused) else None)
        if wait is None:
            raise problem
        if not self._situation.trouble:
            self._output.note(f"{str(problem).rstrip('.')}. Trying again…")
        self._situation.trouble = "Trying again…"
        await asyncio.sleep(wait)


def new_key() -> str:
    """An idempotency key: the same question twice is two questions."""
    return secrets.token_hex(16)
