"""ToolExecutionEngine: the wrapped dispatcher, and the only way to run a tool.

Around every call it writes `tool_executing` and then, whatever happens, exactly one `tool_completed`. What can go
wrong, and the status it gets:

| what                                    | status    | the agent sees          |
|-----------------------------------------|-----------|-------------------------|
| returns JSON                            | ok        | the result              |
| raises                                  | error     | ToolError with its text |
| unknown name, arguments that do not fit | error     | UnknownTool, InvalidArguments |
| takes too long                          | error     | ToolTimeout             |
| returns something that is not JSON      | error     | ToolResultInvalid       |
| the agent itself gives it up            | cancelled | CancelledError          |

A call that is open when the run ends is closed by `Notifier.close_open_calls`, which knows why the run ends.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any, NamedTuple

import msgspec

from worker.agent.dispatcher import ToolDispatcher
from worker.agent.errors import ToolError
from worker.agent.notifier import AgentCall, Notifier
from worker.agent.ports import Workspace
from worker.agent.progress import Progress
from worker.agent.results import Result, to_result
from worker.agent.tool import Tool, ToolContext
from worker.contract.errors import FailureCode
from worker.contract.events import Failure, ToolCompletedData, ToolStatus

#: The call that is being shown right now; `None` outside of any. The wiring check reads it from inside a tool.
current_call_id: ContextVar[str | None] = ContextVar("current_call_id", default=None)


#: A model may ask for a tool of any name.
_MAX_NAME_CHARACTERS = 100


class ToolScope(NamedTuple):
    """The run that tools are called for."""

    run_id: str
    thread_id: str
    user_id: str
    workspace: Workspace


class ToolExecutionEngine:
    """The tools of one agent call, each call shown."""

    def __init__(self, dispatcher: ToolDispatcher, notifier: Notifier, *, call: AgentCall, scope: ToolScope) -> None:
        self._dispatcher = dispatcher
        self._notifier = notifier
        self._call = call
        self._scope = scope
        self._count = 0

    @property
    def tools(self) -> Mapping[str, Tool]:
        """The tools by name, to be described to a model."""
        return self._dispatcher.tools

    @property
    def calls_made(self) -> int:
        return self._count

    async def call(self, tool_name: str, /, **arguments: Any) -> Any:
        """Run a tool, shown, and return its result as plain JSON values.

        Raises:
            ToolError: It did not end well; the message says why.
        """
        outcome = await self.execute(tool_name, arguments)
        # Other runs share this loop; a large result takes a while to read.
        return await asyncio.to_thread(outcome.whole) if outcome.result.truncated else outcome.result.shown

    async def execute(self, tool_name: str, arguments: Mapping[str, Any]) -> ToolOutcome:
        """Like `call`, for a caller that wants the result with its measure. Raises likewise."""
        tool_name = tool_name[:_MAX_NAME_CHARACTERS]
        tool = self.tools.get(tool_name)
        call_id = self._call.next_tool_call_id()
        self._count += 1
        started = time.monotonic()
        await self._notifier.tool_executing(
            self._call,
            call_id=call_id,
            tool_name=tool_name,
            arguments=dict(arguments),
            purpose=tool.description.partition("\n")[0] if tool else None,
        )
        try:
            result = await self._run(call_id, tool_name, arguments)
        except asyncio.CancelledError:
            stopped = Failure(code=FailureCode.CANCELLED, message=f"{tool_name} was stopped.")
            await self._complete(call_id, tool_name, "cancelled", started, error=stopped)
            raise
        except Exception as error:
            problem = _as_tool_error(tool_name, error)
            await self._complete(call_id, tool_name, "error", started, error=problem.failure)
            raise problem from error
        await self._complete(call_id, tool_name, "ok", started, result=result)
        return ToolOutcome(call_id, result)

    async def _run(self, call_id: str, tool_name: str, arguments: Mapping[str, Any]) -> Result:
        tool = self._dispatcher.find(tool_name)
        token = current_call_id.set(call_id)
        progress = Progress(lambda text, fraction: self._show_progress(call_id, text, fraction))
        try:
            value = await self._dispatcher.call(tool, arguments, self._context(call_id, progress))
        finally:
            progress.close()
            current_call_id.reset(token)
        # A large result takes tens of milliseconds to write as JSON; other runs share this loop.
        return await asyncio.to_thread(to_result, tool_name, value)

    async def _show_progress(self, call_id: str, text: str, fraction: float | None) -> None:
        await self._notifier.tool_progress(self._call, call_id=call_id, text=text, fraction=fraction)

    def _context(self, call_id: str, progress: Progress) -> ToolContext:
        run_id, thread_id, user_id, workspace = self._scope
        return ToolContext(
            run_id=run_id,
            thread_id=thread_id,
            user_id=user_id,
            call_id=call_id,
            workspace=workspace,
            progress=progress.tell,
            report=progress.report,
        )

    async def _complete(
        self,
        call_id: str,
        tool_name: str,
        status: ToolStatus,
        started: float,
        *,
        result: Result | None = None,
        error: Failure | None = None,
    ) -> None:
        data = ToolCompletedData(
            call_id=call_id,
            tool_name=tool_name,
            status=status,
            duration_ms=round((time.monotonic() - started) * 1000),
            result=result.shown if result else None,
            result_bytes=len(result.body) if result else 0,
            truncated=result.truncated if result else False,
            error=error,
        )
        await self._notifier.tool_completed(
            self._call, data, whole=result.body if result and result.truncated else None
        )


class ToolOutcome(NamedTuple):
    """A call that ended well."""

    call_id: str
    result: Result

    def whole(self) -> Any:
        """The whole result as plain JSON values, also where the event shows only a part. May take a while."""
        return msgspec.json.decode(self.result.body)


def _as_tool_error(tool_name: str, error: Exception) -> ToolError:
    if isinstance(error, ToolError):
        return error
    words = str(error).strip() or type(error).__name__
    return ToolError(f"{tool_name} failed: {words[:1500]}")
