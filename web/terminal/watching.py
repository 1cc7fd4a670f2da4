"""Follows a run to its end over a connection that may be cut at any time: no step twice, none missing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from http import HTTPStatus

import httpx2

from web.terminal.activity import Situation
from web.terminal.backoff import Backoff
from web.terminal.calls import ToolCall
from web.terminal.client import Client
from web.terminal.decoding import decode
from web.terminal.errors import Refused, Unreachable
from web.terminal.following import Gone, Hole, News, Place, Restart, SignedOut
from web.terminal.outputs import Output
from web.terminal.telling import Teller
from worker.contract.cursor import Cursor
from worker.contract.run import FINISHED_STATES

#: Without any answer. At the start there is nothing to lose by giving up; a run that goes on is worth waiting for.
START_PATIENCE_SECONDS = 30.0
RUN_PATIENCE_SECONDS = 600.0

#: An outcome beside those of the contract: the server has lost the run.
GONE = "gone"


class Watcher:
    """Follows one run.

    Args:
        after: Behind which event to begin.
        on_waiting: Told after every event which tool calls wait for a person.
        patience: Seconds without any answer from the server after which to give up, before the first answer.
    """

    def __init__(
        self,
        client: Client,
        run_id: str,
        output: Output,
        situation: Situation,
        *,
        after: Cursor,
        on_waiting: Callable[[Sequence[ToolCall]], None],
        patience: float = START_PATIENCE_SECONDS,
    ) -> None:
        self._client = client
        self._run_id = run_id
        self._output = output
        self._situation = situation
        self._on_waiting = on_waiting
        self._place = Place(after)
        self._teller = Teller()
        self._backoff = Backoff(patience, now=time.monotonic)
        #: Seconds after which the server, which restarts, wants us back.
        self._hint: float | None = None

    async def follow(self) -> str:
        """Show the run until its last event; answers the outcome.

        Raises:
            TerminalError: The server says no, or cannot be reached for too long.
        """
        while True:
            try:
                outcome = await self._read()
                problem: Unreachable | Refused = Unreachable("Connection lost")
            except Unreachable as error:
                outcome, problem = "", error
                if error.is_final:
                    raise
            except Refused as error:
                outcome, problem = "", error
                self._hint = error.retry_after
                if not error.is_passing:
                    raise
            if outcome:
                return outcome
            await self._wait(problem)

    async def _read(self) -> str:
        """Show what one connection brings; answers the outcome, or nothing if it ended before the run."""
        async with self._client.events(self._run_id, self._place.cursor) as messages:
            self._connected()
            if messages is None:
                return await self._outcome()
            return await self._take(messages)

    async def _take(self, messages: AsyncIterator[httpx2.ServerSentEvent]) -> str:
        async for message in messages:
            if message.retry is not None:
                self._hint = message.retry / 1000
            match self._place.receive(message.event, message.data):
                case News(raw=raw):
                    self._show(raw)
                case Restart(reason=reason, cursor=cursor):
                    self._teller = Teller()
                    self._on_waiting([])
                    self._output.restart(self._run_id, reason, cursor)
                case Hole():
                    return ""
                case Gone():
                    self._output.gone(self._run_id)
                    return GONE
                case SignedOut():
                    raise Refused(HTTPStatus.UNAUTHORIZED, "sign_in", "Your sign-in has ended.")
                case None:
                    continue
            if self._teller.outcome:
                return self._teller.outcome
        return ""

    def _show(self, raw: bytes) -> None:
        event = decode(raw)
        printed = self._teller.tell(event)
        self._on_waiting(self._teller.waiting)
        self._output.show(raw, printed, self._teller)

    async def _outcome(self) -> str:
        """Ask how a run has ended whose last event was read before; nothing if it has not."""
        state = (await self._client.run(self._run_id)).state
        return state if state in FINISHED_STATES else ""

    def _connected(self) -> None:
        if self._situation.trouble:
            self._output.note("Back online")
        self._situation.trouble = ""
        self._hint = None
        self._backoff.connected(patience=RUN_PATIENCE_SECONDS)

    async def _wait(self, problem: Unreachable | Refused) -> None:
        wait = self._backoff.next_wait(self._hint)
        self._hint = None
        if wait is None:
            raise problem
        if not self._situation.trouble:
            self._output.note(f"{str(problem).rstrip('.')}. Reconnecting…")
        self._situation.trouble = "Reconnecting…"
        await asyncio.sleep(wait)
