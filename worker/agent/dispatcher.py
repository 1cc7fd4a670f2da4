"""ToolDispatcher: finds a tool, checks its arguments, calls it. Agents never hold one: see `tool_engine`."""

from __future__ import annotations

import asyncio
import contextvars
import functools
from collections.abc import Awaitable, Callable, Iterable, Mapping
from concurrent.futures import Executor
from typing import Any

from worker.agent.containment import contained
from worker.agent.errors import ToolTimeout, UnknownTool
from worker.agent.tool import Tool, ToolContext

#: How long a cancelled tool may take to tidy up before it is left behind.
ABANDON_AFTER_SECONDS = 1.0


class ToolDispatcher:
    """The tools of one agent."""

    def __init__(self, tools: Iterable[Tool], *, executor: Executor) -> None:
        self._tools = {tool.name: tool for tool in tools}
        #: Runs plain functions. One that never returns keeps its OS thread; what it does late is not shown.
        self._executor = executor

    @property
    def tools(self) -> Mapping[str, Tool]:
        return self._tools

    def find(self, name: str) -> Tool:
        """Find a tool by name.

        Raises:
            UnknownTool: The agent has none of that name.
        """
        tool = self._tools.get(name)
        if tool is None:
            names = ", ".join(sorted(self._tools)) or "none"
            raise UnknownTool(f"There is no tool {name[:60]!r} here; there are: {names}.")
        return tool

    async def call(self, tool: Tool, arguments: Mapping[str, Any], context: ToolContext) -> Any:
        """Validate and call a tool; returns what it returned.

        Raises:
            InvalidArguments: They do not fit the signature.
            ToolTimeout: It took longer than it may; it has been cancelled or left behind.
            Exception: Whatever the tool raised.
        """
        checked = tool.validate(dict(arguments))
        leading = (context,) if tool.takes_context else ()
        if tool.is_async:
            work: Awaitable[Any] = tool.function(*leading, **checked)
        else:
            plain = functools.partial(tool.function, *leading, **checked)
            call = functools.partial(contextvars.copy_context().run, _call_plain, plain)
            work = asyncio.get_running_loop().run_in_executor(self._executor, call)
        return await _within(asyncio.ensure_future(contained(tool.name, work)), tool)


def _call_plain(function: Callable[[], Any]) -> Any:
    try:
        return function()
    except StopIteration as error:
        # A future cannot carry it: the caller would wait for ever.
        raise RuntimeError("the tool raised StopIteration") from error


async def _within(work: asyncio.Future[Any], tool: Tool) -> Any:
    """Wait for a tool no longer than it may take, even for one that ignores being cancelled."""
    try:
        done, _ = await asyncio.wait({work}, timeout=tool.timeout_seconds)
    except asyncio.CancelledError:
        await _abandon(work)
        raise
    if done:
        return work.result()
    await _abandon(work)
    raise ToolTimeout(f"{tool.name} took longer than {tool.timeout_seconds:g} s and was stopped.")


async def _abandon(work: asyncio.Future[Any]) -> None:
    work.add_done_callback(_ignore_outcome)
    work.cancel()
    await asyncio.wait({work}, timeout=ABANDON_AFTER_SECONDS)


def _ignore_outcome(work: asyncio.Future[Any]) -> None:
    if not work.cancelled():
        work.exception()
