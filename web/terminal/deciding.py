"""Tool calls that wait for a person: asks on a terminal, or says how to decide from elsewhere; no run hangs mutely."""

from __future__ import annotations

import asyncio
import contextlib
import os
import termios
from collections.abc import AsyncIterator, Callable, Sequence
from typing import TextIO

from web.terminal.calls import ToolCall
from web.terminal.client import ApprovalInfo, Client
from web.terminal.errors import Refused, Unreachable
from web.terminal.outputs import Output
from web.terminal.results import compact
from web.terminal.text import show_unseen

#: In a story that is caught up with, the decision follows at once.
_SETTLE_SECONDS = 0.3
_AGAIN_SECONDS = 2.0
_YES, _NO = frozenset({"y", "yes"}), frozenset({"n", "no"})
_READ_BYTES = 1024
#: Somebody was faster: the event that says so is on its way.
_TOO_LATE = frozenset({"already_decided", "expired", "run_finished", "run_stopping"})


class Decider:
    """Attends to the calls of one run that wait.

    Args:
        prompt: None where nobody can be asked.
        how_to: A command line of ours that decides on a call.
        on_wait: Called, if given, instead of waiting for somebody to decide elsewhere.
    """

    def __init__(
        self,
        client: Client,
        run_id: str,
        output: Output,
        *,
        prompt: Prompt | None,
        how_to: Callable[[str], str],
        on_wait: Callable[[], None] | None = None,
    ) -> None:
        self._client = client
        self._run_id = run_id
        self._output = output
        self._prompt = prompt
        self._how_to = how_to
        self._on_wait = on_wait
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._turn = asyncio.Lock()

    def update(self, waiting: Sequence[ToolCall]) -> None:
        """Attend to these calls and no others; needs the event loop."""
        ids = {tool.call_id for tool in waiting}
        for call_id in self._tasks.keys() - ids:
            self._tasks.pop(call_id).cancel()
        for call_id in ids - self._tasks.keys():
            self._tasks[call_id] = asyncio.create_task(self._attend(call_id))

    async def aclose(self) -> None:
        """Ask no more."""
        tasks = list(self._tasks.values())
        self.update([])
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _attend(self, call_id: str) -> None:
        await asyncio.sleep(_SETTLE_SECONDS)
        async with self._turn:
            while True:
                try:
                    await self._decide(call_id)
                except Unreachable:
                    await asyncio.sleep(_AGAIN_SECONDS)
                except Refused as error:
                    if error.error_code not in _TOO_LATE:
                        self._output.note(str(error))
                    # Changed arguments are another question.
                    if error.error_code != "arguments_changed":
                        return
                else:
                    return

    async def _decide(self, call_id: str) -> None:
        # The event's arguments are redacted and may be cut; what is allowed must have been seen.
        approval = await self._client.approval(self._run_id, call_id)
        if approval.decision is not None:
            return
        answer = None
        if self._prompt is not None:
            answer = await self._ask(self._prompt, approval)
        if answer is None:
            self._explain(approval)
            return
        await self._client.decide(self._run_id, approval, "approved" if answer else "denied")

    async def _ask(self, prompt: Prompt, approval: ApprovalInfo) -> bool | None:
        # That it needs a yes is said already.
        self._output.note("\n".join(describe(approval)[1:] or ["  without arguments"]))
        with self._output.paused():
            return await prompt.ask(f"Allow {show_unseen(approval.tool_name)}?")

    def _explain(self, approval: ApprovalInfo) -> None:
        command = self._how_to(approval.call_id)
        self._output.note("\n".join([*describe(approval), "Allow it with:", f"  {command}", "or deny it with --deny."]))
        if self._on_wait is not None:
            self._on_wait()


class Prompt:
    """Reads answers from a terminal.

    Args:
        keyboard: The terminal's input.
        out: Where the question is asked.
    """

    def __init__(self, keyboard: TextIO, out: TextIO) -> None:
        self._keyboard = keyboard.fileno()
        self._out = out

    async def ask(self, question: str) -> bool | None:
        """Ask until the answer is yes or no; None when the input ends."""
        # What was typed before the question could be seen is no answer to it.
        with contextlib.suppress(termios.error):
            termios.tcflush(self._keyboard, termios.TCIFLUSH)
        async with self._lines() as lines:
            while True:
                self._out.write(f"{question} [y/n] ")
                self._out.flush()
                try:
                    answer = await lines.get()
                except asyncio.CancelledError:
                    # It was decided elsewhere: what comes next begins a line of its own.
                    self._out.write("\n")
                    raise
                if not answer:
                    return None
                if answer.strip().lower() in _YES | _NO:
                    return answer.strip().lower() in _YES

    @contextlib.asynccontextmanager
    async def _lines(self) -> AsyncIterator[asyncio.Queue[str]]:
        """What is typed, a line at a time; an empty text is the end."""
        lines: asyncio.Queue[str] = asyncio.Queue()
        loop = asyncio.get_running_loop()

        def read() -> None:
            try:
                lines.put_nowait(os.read(self._keyboard, _READ_BYTES).decode(errors="replace"))
            except OSError:
                lines.put_nowait("")

        loop.add_reader(self._keyboard, read)
        try:
            yield lines
        finally:
            loop.remove_reader(self._keyboard)


def describe(approval: ApprovalInfo) -> list[str]:
    """Say what is to be decided on: nothing is left out, and nothing in it is invisible."""
    lines = [f"{show_unseen(approval.tool_name)} needs your yes"]
    for name, value in approval.arguments.items():
        text = value if isinstance(value, str) and value else compact(value)
        first, *more = show_unseen(text).split("\n")
        lines += [f"  {show_unseen(name)}: {first}", *(f"    {line}" for line in more)]
    return lines
