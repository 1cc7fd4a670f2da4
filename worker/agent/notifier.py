"""Notifier: makes the events of one attempt and hands them to the log in order.

One writer per run. Lifecycle and tool events return when the log has them; token deltas are joined (`Coalescer`) and
are always written before any later event of the run. A cancelled caller does not tear a write: it is finished first,
in the background.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from worker.agent.calls import AgentCall
from worker.agent.coalescer import Coalescer, DeltaKey
from worker.agent.errors import AttemptLost, EventLimitReached
from worker.agent.ports import EventSink
from worker.agent.redaction import Redactor
from worker.agent.told import Told
from worker.contract import events as ev
from worker.contract.approvals import ApprovalRequest, approval_fields
from worker.contract.clock import now_ms
from worker.contract.closing import End, close_open_calls, end_agent
from worker.contract.open_calls import OpenAgent, OpenCalls, OpenTool
from worker.contract.scripts import NO_ENTRIES, Ending, Entries, ToolResult

#: Guard against an agent that never stops talking; a story this long cannot be read anyway.
MAX_EVENTS = 20_000
#: Of one event's text. As JSON a character may take six bytes, and an event at most 64 KB.
MAX_TEXT_CHARACTERS = 8_000
#: Kept free for the events that close a run.
_CLOSING_EVENTS = 500


class Notifier:
    """Writes one attempt's events. All methods are to be called on the event loop that made it."""

    def __init__(
        self,
        sink: EventSink,
        *,
        run_id: str,
        thread_id: str,
        attempt: int,
        redactor: Redactor | None = None,
        told: Told | None = None,
    ) -> None:
        self._sink = sink
        self._told = told or Told()
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
        self._count = self._told.top
        #: The task that ends the run; from then on nobody else may write.
        self._ended_by: asyncio.Task[Any] | None = None
        #: Open tool calls, and how long each may be silent.
        self._patience: dict[str, float] = {}
        self.open_calls = OpenCalls()

    async def agent_started(
        self, call: AgentCall, *, task: str, model: str | None, tools: list[str], entries: Entries = NO_ENTRIES
    ) -> None:
        self._calls[call.call_id] = call
        if call.call_id in self._told.began_at:
            return
        data = ev.AgentStartedData(input=task[: ev.MAX_INPUT_CHARACTERS], model=model, tools=tools)
        await self._write(ev.AgentStarted(**self._envelope(call), data=data), entries=entries)

    def began_at(self, call: AgentCall) -> int | None:
        """When an earlier attempt began an agent call, in ms; None when it is this attempt's."""
        return self._told.began_at.get(call.call_id)

    async def run_resumed(self, call: AgentCall, reason: str) -> None:
        """Say that this attempt took over, and which text of the earlier ones is void."""
        void = self._told.void
        after = min(void.values(), default=self._told.top)
        data = ev.RunResumedData(reason=reason, discard_after_seq=after, discard=void)
        await self._write(ev.RunResumed(**self._envelope(call), data=data))

    async def thinking(self, call: AgentCall, text: str, *, step: int, delta: bool) -> None:
        if delta:
            await self._add_text(DeltaKey("thinking", call.call_id, str(step)), call, text)
            return
        text = _short(text)
        if self._told.has_thought(call.call_id, text):
            return
        data = ev.AgentThinkingData(text=text, delta=False, step=step)
        await self._write(ev.AgentThinking(**self._envelope(call), data=data))

    async def answer(self, call: AgentCall, message_id: str, text: str) -> None:
        await self._add_text(DeltaKey("answer", call.call_id, message_id), call, text)

    async def settle(self, entries: Entries) -> None:
        """Store journal entries together with the text that is pending, if any."""
        self._refuse_the_left_behind()
        await self._locked(lambda: self._write_pending(entries))

    async def tool_executing(
        self,
        call: AgentCall,
        *,
        call_id: str,
        tool_name: str,
        arguments: dict[str, Any],
        purpose: str | None,
        quiet_seconds: float = 0.0,
        entries: Entries = NO_ENTRIES,
    ) -> None:
        """Show that a tool is about to run, which may be silent for so long."""
        self._patience[call_id] = quiet_seconds
        data = ev.ToolExecutingData(
            call_id=call_id, tool_name=tool_name, arguments=self._redactor.arguments(arguments), purpose=purpose
        )
        await self._write(ev.ToolExecuting(**self._envelope(call), data=data), entries=entries)

    async def approval_requested(self, call: AgentCall, call_id: str, request: ApprovalRequest) -> None:
        """Store what a person is to decide, and ask."""
        data = ev.ApprovalRequestedData(
            call_id=call_id,
            tool_name=request.tool_name,
            arguments=self._redactor.arguments(request.arguments),
            arguments_hash=request.arguments_hash,
            expires_at=request.expires_at,
            editable=request.editable,
        )
        entries = Entries(approvals=approval_fields(call_id, request))
        await self._write(ev.ApprovalRequested(**self._envelope(call), data=data), entries=entries)

    async def tool_progress(self, call: AgentCall, *, call_id: str, text: str, fraction: float | None) -> None:
        data = ev.ToolProgressData(call_id=call_id, fraction=fraction, text=text[: ev.MAX_INPUT_CHARACTERS])
        await self._write(ev.ToolProgress(**self._envelope(call), data=data))

    async def tool_completed(
        self,
        call: AgentCall,
        data: ev.ToolCompletedData,
        *,
        whole: bytes | None = None,
        entries: Entries = NO_ENTRIES,
    ) -> None:
        """Close a tool call; `whole` is the full result when the event shows only a part."""
        self._patience.pop(data.call_id, None)
        if data.error is not None:
            data = msgspec.structs.replace(data, error=self._redacted(data.error))
        result = ToolResult(data.call_id, whole) if whole is not None else None
        await self._write(ev.ToolCompleted(**self._envelope(call), data=data), result=result, entries=entries)

    async def agent_completed(
        self,
        call: AgentCall,
        data: ev.AgentCompletedData,
        *,
        ending: Ending | None = None,
        entries: Entries = NO_ENTRIES,
    ) -> None:
        event = ev.AgentCompleted(**self._envelope(call), terminal=ending is not None, data=data)
        await self._write(event, ending=ending, entries=entries)

    async def agent_failed(self, call: AgentCall, failure: ev.Failure, *, entries: Entries = NO_ENTRIES) -> None:
        """Show that an agent inside another one has failed."""
        await self._write(end_agent(self._envelope(call), End(self._redacted(failure))), entries=entries)

    async def end(self, root: AgentCall, end: End) -> None:
        """Close whatever is open and end the run other than well."""
        end = end._replace(failure=self._redacted(end.failure))
        await self.close_open_calls(end)
        await self._write(end_agent(self._envelope(root), end, terminal=True), ending=Ending(end.state))

    def begin_end(self) -> None:
        """From now on only the calling task may write: agents and tools that are left behind are refused."""
        self._ended_by = asyncio.current_task()

    async def close_open_calls(self, end: End) -> None:
        """Close whatever is open below the root, innermost first, so that nothing is left spinning."""
        self.begin_end()
        await self.flush()
        for event in close_open_calls(self.open_calls, end, now=now_ms(), envelope=self._envelope_of):
            await self._write(event)

    async def flush(self) -> None:
        """Write what is pending."""
        await self._locked(self._write_pending)

    async def fall_silent(self) -> None:
        """Write nothing more, and wait for the write that is under way."""
        self.begin_end()
        self._coalescer.take(now=time.monotonic())
        await self._locked(self._write_pending)

    async def recover(self) -> None:
        """Write again what the log has lost, between two of our own writes."""
        await self._locked(self._sink.recover)

    def call_of(self, item: OpenTool | OpenAgent) -> AgentCall:
        """The agent call that an open call is, or belongs to."""
        event = item.event
        known = self._calls.get(event.agent_call_id)
        return known or AgentCall(event.agent_name, event.agent_call_id, event.parent_call_id)

    def _envelope_of(self, item: OpenTool | OpenAgent) -> ev.EnvelopeFields:
        return self._envelope(self.call_of(item))

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

    async def _write(
        self,
        event: ev.Event,
        *,
        ending: Ending | None = None,
        result: ToolResult | None = None,
        entries: Entries = NO_ENTRIES,
    ) -> None:
        self._refuse_the_left_behind()
        closes = isinstance(event, ev.ToolCompleted | ev.AgentCompleted | ev.AgentFailed | ev.AgentCancelled)

        async def write() -> None:
            await self._write_pending()
            self._check_count(closing=closes)
            # Before the write: one whose fate is unknown is sent again before the next, so it counts as written.
            self.open_calls.observe(event)
            await self._sink.append(
                event, ending=ending, result=result, entries=entries, quiet_seconds=self._quiet_seconds
            )
            self._count += 1

        await self._locked(write)

    @property
    def _quiet_seconds(self) -> float:
        return max(self._patience.values(), default=0.0)

    async def _add_text(self, key: DeltaKey, call: AgentCall, text: str) -> None:
        text = self._told.rest_of(key, text)
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

    async def _write_pending(self, entries: Entries = NO_ENTRIES) -> None:
        """Write the pending delta, and these entries with it or alone. Only with the lock held."""
        taken = self._coalescer.take(now=time.monotonic())
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if taken is None:
            if entries is not NO_ENTRIES:
                await self._sink.append(None, entries=entries, quiet_seconds=self._quiet_seconds)
            return
        key, text = taken
        self._check_count(closing=False)
        await self._sink.append(self._delta_event(key, text), entries=entries, quiet_seconds=self._quiet_seconds)
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
