"""ToolExecutionEngine: the wrapped dispatcher, and the only way to run a tool.

Around every call it writes `tool_executing` and then, whatever happens, exactly one `tool_completed`. What can go
wrong, and the status it gets:

| what                                    | status      | the agent sees          |
|-----------------------------------------|-------------|-------------------------|
| returns JSON                            | ok          | the result              |
| raises                                  | error       | ToolError with its text |
| unknown name, arguments that do not fit | error       | UnknownTool, InvalidArguments |
| takes too long                          | error       | ToolTimeout             |
| returns something that is not JSON      | error       | ToolResultInvalid       |
| a person says no, or nothing            | denied      | ToolDenied              |
| the agent itself gives it up            | cancelled   | CancelledError          |
| its worker died over it                 | interrupted | ToolInterrupted, in the next attempt |

How a call ended is journaled in the same step: a later attempt gets the same answer, and nothing runs or is shown
again. A call that is open when the run ends is closed by `Notifier.close_open_calls`, which knows why the run ends.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any, NamedTuple

import msgspec
from pydantic_core import to_json

from worker.agent.calls import AgentCall
from worker.agent.dispatcher import ToolDispatcher
from worker.agent.errors import ToolDenied, ToolError, tool_error
from worker.agent.journal import Found, ToolStep, digest_of, tool_entry
from worker.agent.notifier import Notifier
from worker.agent.ports import Workspace
from worker.agent.progress import Progress
from worker.agent.results import Result, to_result
from worker.agent.steps import Steps
from worker.agent.tool import Tool, ToolContext
from worker.agent.tracing import note_call_id, note_tool_end, note_wait_for_person, tracing_tool
from worker.contract.approvals import ApprovalRequest, hash_arguments
from worker.contract.clock import now_ms
from worker.contract.errors import FailureCode
from worker.contract.events import Failure, ToolCompletedData, ToolStatus
from worker.contract.metrics import APPROVAL_SECONDS, TOOL_SECONDS
from worker.contract.scripts import Entries

#: The call that is being shown right now; `None` outside of any. The wiring check reads it from inside a tool.
current_call_id: ContextVar[str | None] = ContextVar("current_call_id", default=None)


#: A model may ask for a tool of any name.
_MAX_NAME_CHARACTERS = 100
_DENIALS = {
    "denied": "A person did not allow {name} to run. It has not run.",
    "expired": "Nobody allowed {name} in time. It has not run.",
}


class ToolScope(NamedTuple):
    """The run that tools are called for."""

    run_id: str
    thread_id: str
    user_id: str
    workspace: Workspace


class _Call(NamedTuple):
    """A call that is to be carried out."""

    call_id: str
    tool: Tool | None
    step: ToolStep
    arguments: dict[str, Any]


class ToolExecutionEngine:
    """The tools of one agent call, each call shown."""

    def __init__(
        self, dispatcher: ToolDispatcher, notifier: Notifier, *, call: AgentCall, scope: ToolScope, steps: Steps
    ) -> None:
        self._dispatcher = dispatcher
        self._notifier = notifier
        self._call = call
        self._scope = scope
        self._steps = steps
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
        self._count += 1
        digest = digest_of(dict(arguments))
        found = self._steps.journal.tool_call(self._call.call_id, tool_name, digest)
        if found is not None and found.step.status is not None:
            return await self._recall(found)
        async with self._steps.gate.step():
            with tracing_tool(tool_name, self.tools):
                if found is None:
                    call = await self._begin(tool_name, digest, dict(arguments))
                else:
                    call = _Call(found.call_id, self.tools.get(tool_name), found.step, dict(arguments))
                note_call_id(call.call_id)
                return await self._carry_out(call)

    async def _recall(self, found: Found[ToolStep]) -> ToolOutcome:
        """Answer as the call was answered before."""
        call_id, step = found
        if step.status == "cancelled":
            # The agent gave it up: it will again.
            await asyncio.Event().wait()
        self._steps.note_replayed("tool")
        if step.failure is not None:
            raise tool_error(step.failure)
        body = await self._steps.load_result(call_id) if step.stored else bytes(step.result)
        shown = None if step.stored else msgspec.json.decode(body)
        return ToolOutcome(call_id, Result(body, shown, truncated=step.stored))

    async def _begin(self, tool_name: str, digest: str, arguments: dict[str, Any]) -> _Call:
        tool = self.tools.get(tool_name)
        asks_first = tool is not None and tool.requires_approval
        step = ToolStep(name=tool_name, arguments=digest, began_at=now_ms(), running=not asks_first)
        call_id = self._new_id()
        await self._notifier.tool_executing(
            self._call,
            call_id=call_id,
            tool_name=tool_name,
            arguments=arguments,
            purpose=tool.description.partition("\n")[0] if tool else None,
            quiet_seconds=tool.timeout_seconds if tool else 0.0,
            entries=Entries(journal=tool_entry(call_id, step)),
        )
        return _Call(call_id, tool, step, arguments)

    def _new_id(self) -> str:
        while self._steps.journal.is_known(call_id := self._call.next_tool_call_id()):
            continue
        return call_id

    async def _carry_out(self, call: _Call) -> ToolOutcome:
        name = call.step.name
        try:
            arguments = await self._allowed(call)
            result = await self._run(call.call_id, name, arguments)
        except asyncio.CancelledError:
            stopped = Failure(code=FailureCode.CANCELLED, message=f"{name} was stopped.")
            await self._complete(call, "cancelled", failure=stopped)
            raise
        except Exception as error:
            problem = _as_tool_error(name, error)
            status: ToolStatus = "denied" if isinstance(problem, ToolDenied) else "error"
            await self._complete(call, status, failure=problem.failure)
            raise problem from error
        await self._complete(call, "ok", result=result)
        return ToolOutcome(call.call_id, result)

    async def _allowed(self, call: _Call) -> dict[str, Any]:
        """Give the arguments to run with, once a person has allowed the call if the tool needs that.

        Raises:
            ToolDenied: They did not, or not in time.
        """
        if call.tool is None or not call.tool.requires_approval:
            return call.arguments
        call.tool.validate(call.arguments)
        approval = self._steps.approvals.get(call.call_id)
        if approval is None:
            await self._notifier.approval_requested(self._call, call.call_id, self._request(call, call.tool))
        if approval is None or approval.verdict is None:
            note_wait_for_person()
            await self._steps.gate.wait_for_person()
        verdict = approval.verdict
        waited = max(0, now_ms() - call.step.began_at) / 1000
        self._steps.meter.observe(APPROVAL_SECONDS, waited, verdict.decision)
        if verdict.decision != "approved":
            raise ToolDenied(_DENIALS[verdict.decision].format(name=call.step.name))
        running = msgspec.structs.replace(call.step, running=True)
        await self._notifier.settle(Entries(journal=tool_entry(call.call_id, running)))
        return approval.request.arguments if verdict.arguments is None else verdict.arguments

    def _request(self, call: _Call, tool: Tool) -> ApprovalRequest:
        seconds = tool.approval_seconds or self._steps.approval_seconds
        arguments = msgspec.json.decode(to_json(call.arguments))
        return ApprovalRequest(
            tool_name=tool.name,
            arguments=arguments,
            arguments_hash=hash_arguments(arguments),
            editable=tool.editable,
            expires_at=now_ms() + round(seconds * 1000),
            agent_name=self._call.agent_name,
            agent_call_id=self._call.call_id,
            parent_call_id=self._call.parent_call_id,
        )

    async def _run(self, call_id: str, tool_name: str, arguments: Mapping[str, Any]) -> Result:
        tool = self._dispatcher.find(tool_name)
        token = current_call_id.set(call_id)
        progress = Progress(lambda text, fraction: self._show_progress(call_id, text, fraction))
        began_at = time.perf_counter()
        try:
            value = await self._dispatcher.call(tool, arguments, self._context(call_id, progress))
        finally:
            self._steps.meter.observe(TOOL_SECONDS, time.perf_counter() - began_at, tool.name)
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
            idempotency_key=f"{run_id}:{call_id}",
            workspace=workspace,
            progress=progress.tell,
            report=progress.report,
        )

    async def _complete(
        self, call: _Call, status: ToolStatus, *, result: Result | None = None, failure: Failure | None = None
    ) -> None:
        truncated = result is not None and result.truncated
        data = ToolCompletedData(
            call_id=call.call_id,
            tool_name=call.step.name,
            status=status,
            duration_ms=max(0, now_ms() - call.step.began_at),
            result=result.shown if result else None,
            result_bytes=len(result.body) if result else 0,
            truncated=truncated,
            error=failure,
        )
        kept = msgspec.Raw(result.body) if result and not truncated else msgspec.Raw(b"null")
        ended = msgspec.structs.replace(call.step, status=status, result=kept, stored=truncated, failure=failure)
        await self._notifier.tool_completed(
            self._call,
            data,
            whole=result.body if result and truncated else None,
            entries=Entries(journal=tool_entry(call.call_id, ended)),
        )
        note_tool_end(status, failure=failure, result_bytes=data.result_bytes)


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
