"""One sitting at a terminal: asks, follows a run, and stops it when the person says so."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import shlex

from web.terminal.activity import Situation
from web.terminal.asking import Asker
from web.terminal.attention import Attention
from web.terminal.client import Client, RunWish
from web.terminal.deciding import Decider, Prompt
from web.terminal.errors import ExitCode, Refused, TerminalError, Unreachable
from web.terminal.formats import format_duration
from web.terminal.outputs import Output
from web.terminal.watching import Watcher
from worker.contract.cursor import BEGINNING, Cursor

_OUTCOMES = {"completed": ExitCode.COMPLETED, "cancelled": ExitCode.CANCELLED}
_AGAIN_SECONDS = 1.0


class Sitting:
    """What `run` and `tail` do.

    Args:
        prompt: None where nobody can be asked.
    """

    def __init__(
        self,
        client: Client,
        output: Output,
        situation: Situation,
        arguments: argparse.Namespace,
        *,
        prompt: Prompt | None,
    ) -> None:
        self._client = client
        self._output = output
        self._situation = situation
        self._arguments = arguments
        self._prompt = prompt
        self._asker = Asker(client, output, situation)
        self._attention = Attention(on_interrupt=self._interrupted)
        #: Empty until the server has taken the question.
        self._run_id = ""
        #: Only a run that was begun here is stopped by Ctrl-C.
        self._is_ours = False
        self._wants_stop = False
        self._stopping: asyncio.Task[None] | None = None

    async def run(self, wish: RunWish) -> int:
        """Ask, and follow the run to its end; answers the exit code."""
        self._is_ours = True
        return await self._attend(wish, BEGINNING)

    async def tail(self, run_id: str, *, after: Cursor) -> int:
        """Follow a run to its end; answers the exit code."""
        self._run_id = run_id
        return await self._attend(None, after)

    async def _attend(self, wish: RunWish | None, after: Cursor) -> int:
        try:
            code = await self._attention.give(self._work(wish, after), timeout_seconds=self._arguments.timeout)
        except TerminalError as error:
            self._close()
            if self._is_ours and self._run_id:
                self._say_goodbye(error.code)
            raise
        finally:
            self._close()
        if self._attention.left is not None:
            self._say_goodbye(self._attention.left)
        return code

    def _close(self) -> None:
        if self._stopping is not None:
            self._stopping.cancel()
        self._output.close()

    async def _work(self, wish: RunWish | None, after: Cursor) -> int:
        if wish is not None:
            started = await self._asker.ask(wish)
            self._run_id = started.run_id
            self._situation.is_behind = started.ahead > 0
            self._output.hint(f"{started.run_id} in {started.thread_id}")
            if self._wants_stop:
                self._stop()
        decider = Decider(
            self._client,
            self._run_id,
            self._output,
            prompt=self._prompt,
            how_to=lambda call_id: self._command("approve", self._run_id, call_id),
            on_wait=self._leave_waiting if self._arguments.no_wait else None,
        )
        async with contextlib.aclosing(decider):
            watcher = Watcher(
                self._client, self._run_id, self._output, self._situation, after=after, on_waiting=decider.update
            )
            outcome = await watcher.follow()
        if outcome == "cancelled" and self._wants_stop:
            return ExitCode.INTERRUPTED
        return _OUTCOMES.get(outcome, ExitCode.FAILED)

    def _leave_waiting(self) -> None:
        self._attention.leave(ExitCode.WAITING)

    def _interrupted(self) -> bool:
        """Take a Ctrl-C: the first one stops the run, the next one leaves it alone. Answers whether to go on."""
        if not self._is_ours or self._wants_stop:
            return False
        self._wants_stop = True
        if self._run_id:
            self._stop()
            return True
        # The server may have begun already: wait for its answer, to stop what has begun.
        return self._asker.may_have_arrived

    def _stop(self) -> None:
        self._situation.is_stopping = True
        self._output.note("Stopping… (Ctrl-C again leaves without waiting)")
        self._stopping = asyncio.create_task(self._cancel())

    async def _cancel(self) -> None:
        while True:
            try:
                await self._client.cancel(self._run_id)
            except Unreachable:
                await asyncio.sleep(_AGAIN_SECONDS)
            except Refused as error:
                if not error.is_passing:
                    self._output.note(str(error))
                    return
                await asyncio.sleep(error.retry_after or _AGAIN_SECONDS)
            else:
                return

    def _say_goodbye(self, code: ExitCode) -> None:
        if not self._run_id:
            if self._asker.may_have_arrived:
                self._output.note("It is not known whether the server has taken the question.")
            return
        back = self._command("tail", self._run_id)
        match code:
            case ExitCode.TIMED_OUT:
                took = format_duration(self._arguments.timeout * 1000)
                self._output.note(f"Not finished after {took}. The run goes on; follow it:\n  {back}")
            case ExitCode.WAITING:
                self._output.note(f"The run waits. Follow it:\n  {back}")
            case _:
                self._output.note(f"The run goes on. Follow it:\n  {back}")

    def _command(self, name: str, *words: str) -> str:
        server = ["--server", self._arguments.server] if self._arguments.server else []
        insecure = ["--insecure"] if self._arguments.insecure else []
        return shlex.join(["outloud", name, *server, *insecure, *words])
