"""Notifier: makes the events of one attempt and hands them to the log in order.

One writer per run. Lifecycle and tool events return when the log has them; token deltas are joined (`Coalescer`) and
are always written before any later event of the run. A cancelled caller does not tear a write: it is finished first,
in the background.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from worker.agent.coalescer import Coalescer, DeltaKey
from worker.agent.errors import AttemptLost, EventLimitReached
from worker.agent.open_calls import OpenAgent, OpenCalls, OpenTool
from worker.agent.ports import EventSink
from worker.agent.redaction import Redactor
from worker.contract import events as ev
from worker.contract.errors import FailureCode
from worker.contract.scripts import Ending, ToolResult

#: Guard against an agent that never stops talking; a story this long cannot be read anyway.
MAX_EVENTS = 20_000
#: Of one event's text. As JSON a character may take six bytes, and an event at most 64 KB.
MAX_TEXT_CHARACTERS = 8_000
#: Kept free for the events that close a run.
_CLOSING_EVENTS = 500


@dataclass
class AgentCall:
    """One invocation of an agent inside a run. Gives out the ids of what it begins."""

    agent_name: str
    call_id: str
    parent_call_id: str | None = None
    depth: int = 0
    _children: int = field(default=0, repr=False)
    _tools: int = field(default=0, repr=False)

    def child(self, agent_name: str) -> AgentCall:
        self._children += 1
        return AgentCall(agent_name, f"{self.call_id}.{self._children}", self.call_id, self.depth + 1)

    def next_tool_call_id(self) -> str:
        self._tools += 1
        return f"{self.call_id}.t{self._tools}"


class Notifier:
    """Writes one attempt's events. All methods are to be called on the event loop that made it."""

    def __init__(
        self, sink: EventSink, *, run_id: str, thread_id: str, attempt: int, redactor: Redactor | None = None
    ) -> None:
        self._sink = sink
        self._run_id = run_id
        self._thread_id = thread_id
        self._attempt = attempt
        self._redactor = redactor or Redactor()
        self._lock = asyncio.Lock()
        self._coalescer = Coalescer()
        self._timer: asyncio.TimerHandle | None = None
        self._writes: set[asyncio.Future[None]] = set()
        self._failed: BaseException | None = None
        self._calls: dict[str, AgentCall] = {}
        self._count = 0
        #: The task that ends the run; from then on nobody else may write.
        self._ended_by: asyncio.Task[Any] | None = None
        self.open_calls = OpenCalls()

    async def agent_started(self, call: AgentCall, *, task: str, model: str | None, tools: list[str]) -> None:
        self._calls[call.call_id] = call
        data = ev.AgentStartedData(input=task[: ev.MAX_INPUT_CHARACTERS], model=model, tools=tools)
        await self._write(ev.AgentStarted(**self._envelope(call), data=data))

    async def thinking(self, call: AgentCall, text: str, *, step: int, delta: bool) -> None:
        if delta:
            await self._add_text(DeltaKey("thinking", call.call_id, str(step)), call, text)
            return
        data = ev.AgentThinkingData(text=_short(text), delta=False, step=step)
        await self._write(ev.AgentThinking(**self._envelope(call), data=data))

    async def answer(self, call: AgentCall, message_id: str, text: str) -> None:
        await self._add_text(DeltaKey("answer", call.call_id, message_id), call, text)

    async def tool_executing(
        self, call: AgentCall, *, call_id: str, tool_name: str, arguments: dict[str, Any], purpose: str | None
    ) -> None:
        data = ev.ToolExecutingData(
            call_id=call_id, tool_name=tool_name, arguments=self._redactor.arguments(arguments), purpose=purpose
        )
        await self._write(ev.ToolExecuting(**self._envelope(call), data=data))

    async def tool_progress(self, call: AgentCall, *, call_id: str, text: str, fraction: float | None) -> None:
        data = ev.ToolProgressData(call_id=call_id, fraction=fraction, text=text[: ev.MAX_INPUT_CHARACTERS])
        await self._write(ev.ToolProgress(**self._envelope(call), data=data))

    async def tool_completed(self, call: AgentCall, data: ev.ToolCompletedData, *, whole: bytes | None = None) -> None:
        """Close a tool call; `whole` is the full result when the event shows only a part."""
        if data.error is not None:
            data = ev.ToolCompletedData(**{**_fields(data), "error": self._redacted(data.error)})
        result = ToolResult(data.call_id, whole) if whole is not None else None
        await self._write(ev.ToolCompleted(**self._envelope(call), data=data), result=result)

    async def agent_completed(
        self, call: AgentCall, *, result: Any, duration_ms: int, usage: ev.Usage, ending: Ending | None = None
    ) -> None:
        data = ev.AgentCompletedData(result=result, duration_ms=duration_ms, usage=usage)
        event = ev.AgentCompleted(**self._envelope(call), terminal=ending is not None, data=data)
        await self._write(event, ending=ending)

    async def agent_failed(self, call: AgentCall, failure: ev.Failure, *, ending: Ending | None = None) -> None:
        data = ev.AgentFailedData(error=self._redacted(failure))
        await self._write(ev.AgentFailed(**self._envelope(call), terminal=ending is not None, data=data), ending=ending)

    async def agent_cancelled(self, call: AgentCall, *, by: str, ending: Ending | None = None) -> None:
        data = ev.AgentCancelledData(by=by)
        await self._write(
            ev.AgentCancelled(**self._envelope(call), terminal=ending is not None, data=data), ending=ending
        )

    def begin_end(self) -> None:
        """From now on only the calling task may write: agents and tools that are left behind are refused."""
        self._ended_by = asyncio.current_task()

    async def close_open_calls(
        self, root: AgentCall, *, failure: ev.Failure, tool_status: ev.ToolStatus, by: str
    ) -> None:
        """Close whatever is open below the root, innermost first, so that nothing is left spinning."""
        self.begin_end()
        await self.flush()
        for item in self.open_calls.innermost_first():
            call = self._call_of(item)
            if isinstance(item, OpenTool):
                duration_ms = max(0, now_ms() - item.began_at)
                await self.tool_completed(
                    call,
                    ev.ToolCompletedData(
                        call_id=item.call_id,
                        tool_name=item.tool_name,
                        status=tool_status,
                        duration_ms=duration_ms,
                        error=failure,
                    ),
                )
            elif item.event.agent_call_id != root.call_id:
                if failure.code == FailureCode.CANCELLED:
                    await self.agent_cancelled(call, by=by)
                else:
                    await self.agent_failed(call, failure)

    async def flush(self) -> None:
        """Write what is pending."""
        await self._locked(self._write_pending)

    def _call_of(self, item: OpenTool | OpenAgent) -> AgentCall:
        event = item.event
        known = self._calls.get(event.agent_call_id)
        return known or AgentCall(event.agent_name, event.agent_call_id, event.parent_call_id)

    def _redacted(self, failure: ev.Failure) -> ev.Failure:
        message = self._redactor.text(failure.message)[:2000]
        return ev.Failure(code=failure.code, message=message, retryable=failure.retryable)

    def _envelope(self, call: AgentCall) -> ev.EnvelopeFields:
        return ev.EnvelopeFields(
            run_id=self._run_id,
            thread_id=self._thread_id,
            attempt=self._attempt,
            agent_name=call.agent_name,
            agent_call_id=call.call_id,
            parent_call_id=call.parent_call_id,
            at=now_ms(),
        )

    async def _write(self, event: ev.Event, *, ending: Ending | None = None, result: ToolResult | None = None) -> None:
        self._refuse_the_left_behind()
        closes = isinstance(event, ev.ToolCompleted | ev.AgentCompleted | ev.AgentFailed | ev.AgentCancelled)

        async def write() -> None:
            await self._write_pending()
            self._check_count(closing=closes)
            # Before the write: one whose fate is unknown is sent again before the next, so it counts as written.
            self.open_calls.observe(event)
            await self._sink.append(event, ending=ending, result=result)
            self._count += 1

        await self._locked(write)

    async def _add_text(self, key: DeltaKey, call: AgentCall, text: str) -> None:
        for start in range(0, len(text), MAX_TEXT_CHARACTERS):
            await self._add_delta(key, call, text[start : start + MAX_TEXT_CHARACTERS])

    async def _add_delta(self, key: DeltaKey, call: AgentCall, text: str) -> None:
        self._refuse_the_left_behind()
        self._calls.setdefault(call.call_id, call)
        while self._coalescer.conflicts(key):
            await self.flush()
        due = self._coalescer.add(key, text, now=time.monotonic())
        if due == 0:
            await self.flush()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(due, self._flush_later)
        if self._failed is not None:
            raise self._failed

    def _flush_later(self) -> None:
        self._timer = None
        self._start(self._write_pending)

    async def _write_pending(self) -> None:
        """Write the pending delta. Only with the lock held."""
        taken = self._coalescer.take(now=time.monotonic())
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if taken is None:
            return
        key, text = taken
        self._check_count(closing=False)
        await self._sink.append(self._delta_event(key, text))
        self._count += 1

    def _delta_event(self, key: DeltaKey, text: str) -> ev.Event:
        envelope = self._envelope(self._calls[key.agent_call_id])
        if key.kind == "thinking":
            return ev.AgentThinking(**envelope, data=ev.AgentThinkingData(text=text, delta=True, step=int(key.part)))
        return ev.PartialResult(**envelope, data=ev.PartialResultData(message_id=key.part, text=text))

    def _refuse_the_left_behind(self) -> None:
        if self._ended_by not in (None, asyncio.current_task()):
            raise AttemptLost(f"run {self._run_id} is being ended")

    def _check_count(self, *, closing: bool) -> None:
        if not closing and self._count >= MAX_EVENTS - _CLOSING_EVENTS:
            raise EventLimitReached(f"The run was stopped: it wrote more than {MAX_EVENTS - _CLOSING_EVENTS:,} events.")

    async def _locked(self, write: Callable[[], Awaitable[None]]) -> None:
        await asyncio.shield(self._start(write))

    def _start(self, write: Callable[[], Awaitable[None]]) -> asyncio.Future[None]:
        """Run a write under the lock as a task of its own, so that cancelling the caller does not tear it."""

        async def run() -> None:
            async with self._lock:
                await write()

        future = asyncio.ensure_future(run())
        self._writes.add(future)
        future.add_done_callback(self._written)
        return future

    def _written(self, future: asyncio.Future[None]) -> None:
        self._writes.discard(future)
        if not future.cancelled() and future.exception() is not None:
            self._failed = future.exception()


def _short(text: str) -> str:
    return text if len(text) <= MAX_TEXT_CHARACTERS else text[: MAX_TEXT_CHARACTERS - 1] + "…"


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def _fields(data: ev.ToolCompletedData) -> dict[str, Any]:
    return {name: getattr(data, name) for name in data.__struct_fields__}
