"""Tells a run's events, in order, as items that are never taken back, and knows what goes on meanwhile.

What is still being written (a thought, a message) is held until it is finished: then it is printed as a whole, or, if a
new attempt has made it void by then, not at all. No I/O, no clock: the same events always come to the same items.
"""

from __future__ import annotations

from collections.abc import Iterator

from web.terminal import tools
from web.terminal.calls import Call, ToolCall
from web.terminal.decoding import AnyEvent, UnknownEvent
from web.terminal.endings import INTERRUPTED, end_of_call, end_of_run, end_unknown, state_of
from web.terminal.formats import plain_line, shorten
from web.terminal.lines import Item, Line, Look, Place, Printed, Text
from web.terminal.results import compact
from worker.contract.events import (
    AgentCancelled,
    AgentCompleted,
    AgentFailed,
    AgentStarted,
    AgentThinking,
    ApprovalRequested,
    ApprovalResolved,
    PartialResult,
    RunResumed,
    ToolCompleted,
    ToolExecuting,
    ToolProgress,
)

_TASK_LENGTH = 160
_DATA_LENGTH = 400


class Teller:
    """One run's story so far. The caller guarantees order."""

    def __init__(self) -> None:
        self.calls: dict[str, Call] = {}
        #: 0 until a worker has taken the run.
        self.attempt = 0
        #: Unix milliseconds; 0 before the first event.
        self.began_at = 0
        #: "completed", "failed", "cancelled" or "interrupted", once nothing follows; empty before.
        self.outcome = ""
        self.latest: Call | None = None

    @property
    def waiting(self) -> list[ToolCall]:
        """The tool calls that wait for a person's yes, oldest first."""
        waiting = [tool for call in self.calls.values() for tool in call.tools.values() if tool.waits]
        return sorted(waiting, key=lambda tool: tool.began_at)

    def tell(self, event: AnyEvent) -> list[Printed]:
        """Tell the story on by one event."""
        self.attempt = event.attempt
        self.began_at = self.began_at or event.at
        call = self.latest = self._call_of(event)
        printed = self._interrupt_parent(call)
        printed += [_printed(call, item) for item in self._items(call, event)]
        call.is_introduced = True
        return printed

    def _items(self, call: Call, event: AnyEvent) -> Iterator[Item]:
        match event:
            case PartialResult(seq=seq, data=data):
                yield from call.writer.write(seq, data.text, is_message=True, key=data.message_id)
            case AgentThinking():
                yield from _think(call, event)
            case AgentStarted():
                yield from _start(call, event)
            case ToolProgress():
                yield from tools.report(*self._tool(call, event.data.call_id, event.at), event)
            case RunResumed():
                # What stays of a text goes on: it is not finished.
                yield self._resume(event)
            case _:
                yield from call.writer.finish() if not event.terminal else ()
                yield from self._step(call, event)

    def _step(self, call: Call, event: AnyEvent) -> Iterator[Item]:
        match event:
            case ToolExecuting():
                yield tools.begin(call, event)
            case ToolCompleted():
                yield tools.complete(*self._tool(call, event.data.call_id, event.at), event)
            case ApprovalRequested():
                yield tools.ask(*self._tool(call, event.data.call_id, event.at), event)
            case ApprovalResolved():
                yield tools.resolve(*self._tool(call, event.data.call_id, event.at), event)
            case AgentCompleted() | AgentFailed() | AgentCancelled():
                yield from self._end(call, event)
            case UnknownEvent():
                yield from self._unknown(call, event)
            case _:
                return

    def _end(self, call: Call, event: AgentCompleted | AgentFailed | AgentCancelled) -> Iterator[Item]:
        call.is_running = False
        if not event.terminal:
            yield from end_of_call(call, event)
            return
        self.outcome = state_of(event)
        yield from end_of_run(call, list(self.calls.values()), event, began_at=self.began_at)

    def _unknown(self, call: Call, event: UnknownEvent) -> Iterator[Item]:
        data = "" if event.data is None else shorten(compact(event.data), _DATA_LENGTH)
        yield Line(Look.UNKNOWN, f"Event “{event.type}”", (data,) if data else ())
        if event.terminal:
            self.outcome = INTERRUPTED
            yield from call.writer.finish()
            yield end_unknown(list(self.calls.values()), duration_ms=event.at - self.began_at)

    def _resume(self, event: RunResumed) -> Item:
        discard = event.data.discard.items()
        known = [(self.calls[call_id], last) for call_id, last in discard if call_id in self.calls]
        void = [call.agent_name for call, last in known if call.writer.take_back(last)]
        note = f"What {' and '.join(void)} was writing above is void." if void else ""
        return Line(Look.NOTICE, f"Picked up again (attempt {event.attempt}). {event.data.reason}", note=note)

    def _call_of(self, event: AnyEvent) -> Call:
        """Find the call of an event; a log whose beginning is no longer kept starts in the middle of calls."""
        known = self.calls.get(event.agent_call_id)
        if known is not None:
            return known
        parent = self.calls.get(event.parent_call_id or "")
        depth = parent.depth + 1 if parent else event.agent_call_id.count(".")
        call = Call(event.agent_call_id, event.parent_call_id, event.agent_name, depth, event.at)
        call.is_introduced = not isinstance(event, AgentStarted)
        self.calls[call.call_id] = call
        return call

    def _interrupt_parent(self, call: Call) -> list[Printed]:
        """What an agent was saying is finished when it asks another one."""
        parent = self.calls.get(call.parent_id or "")
        if call.is_introduced or parent is None:
            return []
        return [_printed(parent, item) for item in parent.writer.finish()]

    def _tool(self, likely: Call, call_id: str, at: int) -> tuple[Call, ToolCall]:
        """Find an open tool call and whose it is: nearly always the one that reports, but a reaper may speak for it."""
        for call in (likely, *self.calls.values()):
            if call_id in call.tools:
                return call, call.tools[call_id]
        tool = likely.tools[call_id] = ToolCall(call_id, "tool", at)
        return likely, tool


def _start(call: Call, event: AgentStarted) -> Iterator[Item]:
    call.model = event.data.model or call.model
    # A new attempt introduces agents again that are known already.
    if not call.is_introduced:
        task = shorten(plain_line(event.data.input), _TASK_LENGTH)
        yield Line(Look.AGENT, call.agent_name, (task,) if task else (), is_frame=True)


def _think(call: Call, event: AgentThinking) -> Iterator[Item]:
    data = event.data
    key = (data.step, event.attempt) if data.delta else event.seq
    yield from call.writer.write(event.seq, data.text, is_message=False, key=key)
    if not data.delta:
        yield from call.writer.finish()


def _printed(call: Call, item: Item) -> Printed:
    is_frame = not isinstance(item, Line | Text) or (isinstance(item, Line) and item.is_frame)
    is_end = is_frame and not call.is_running
    then = call.parent_id if is_end and call.parent_id is not None else call.call_id
    depth = call.depth if is_frame else call.depth + 1
    return Printed(Place(call.call_id, call.agent_name, depth, then), item)
