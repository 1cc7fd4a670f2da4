"""Shows in a run's trace what no worker can: attempts that were taken from their workers, and ends without one.

An attempt's span is sent once: by its worker if that ended the attempt, else by who took the attempt away. A dead
worker sends nothing, and what one that comes back still knows of its attempt does not count any more.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from opentelemetry.trace import Span, SpanKind

from worker.contract import tracing
from worker.contract.closing import End
from worker.contract.errors import FailureCode
from worker.contract.events import Event
from worker.contract.open_calls import OpenAgent, OpenCalls, OpenTool
from worker.contract.run import RunRecord, RunState

_NS_PER_MS = 1_000_000


def show_lost_attempt(record: RunRecord, now: int, *, code: str, then: str, silent_ms: int) -> None:
    """Show an attempt whose worker was lost, or got nothing done.

    Args:
        record: As it was found, the attempt's worker still named.
        now: When it was found, in ms.
        code: Why it was taken away.
        then: What has become of the run.
    """
    lost = _taken(f"attempt {record.attempt} lost", record, then)
    lost.set_attribute("outloud.silent_ms", silent_ms)
    tracing.fail(lost, code)
    lost.end(now * _NS_PER_MS)


def show_moved_attempt(record: RunRecord, now: int) -> None:
    """Show an attempt that a person took from its worker so that another one goes on; `record` as it was before."""
    _taken(f"attempt {record.attempt} taken back", record, RunState.QUEUED).end(now * _NS_PER_MS)


def show_end(record: RunRecord, now: int, end: End, *, silent_ms: int = 0) -> None:
    """Show a run that was ended over the head of its worker, or without one; `record` as it was before."""
    if record.state is RunState.RUNNING:
        code = FailureCode.WORKER_LOST if now >= record.lease_until else end.failure.code
        show_lost_attempt(record, now, code=code, then=end.state, silent_ms=silent_ms)
        return
    attributes: dict[str, tracing.Value] = {"outloud.outcome": end.state, "outloud.silent_ms": silent_ms}
    closed = tracing.start(
        "close run",
        place=tracing.place_of(record.traceparent),
        attributes={**tracing.attempt_attributes(record), **attributes},
        start_ns=now * _NS_PER_MS,
        links=tracing.link_to_attempt(record.traceparent, record.run_id, record.attempt),
    )
    if end.state is RunState.FAILED:
        tracing.fail(closed, end.failure.code)
    closed.end(now * _NS_PER_MS)


def show_torn_calls(record: RunRecord, now: int, events: Sequence[Event]) -> None:
    """Show what a dead worker's attempt was in the middle of: agents, with what it has sent of them below, and tools.

    Args:
        record: As it was found.
        events: The run's story.
    """
    told = [event for event in events if event.seq <= record.last_seq]
    begun = _begun(event.agent_call_id for event in told if event.attempt == record.attempt)
    for item in OpenCalls(told).innermost_first():
        if item.event.agent_call_id in begun:
            _show_torn(item, record, now)


def _begun(call_ids: Iterable[str]) -> set[str]:
    """The agent calls that an attempt has spoken for, and those around them: `a1.2` is inside of `a1`."""
    begun: set[str] = set()
    for call_id in call_ids:
        parts = call_id.split(".")
        begun.update(".".join(parts[:count]) for count in range(1, len(parts) + 1))
    return begun


def _show_torn(item: OpenAgent | OpenTool, record: RunRecord, now: int) -> None:
    event, attempt = item.event, (record.run_id, record.attempt)
    own = tracing.agent_span_id(*attempt, event.agent_call_id)
    if isinstance(item, OpenTool):
        name = f"execute_tool {item.tool_name}"
        attributes = {**tracing.tool_attributes(item.tool_name), "gen_ai.tool.call.id": item.call_id}
        span_id, parent_id = None, own
    else:
        name = f"invoke_agent {event.agent_name}"
        attributes = tracing.agent_attributes(event.agent_name, event.agent_call_id, record.thread_id)
        span_id, parent_id = own, tracing.attempt_span_id(*attempt)
        if event.parent_call_id is not None:
            parent_id = tracing.agent_span_id(*attempt, event.parent_call_id)
    torn = tracing.start(
        name,
        place=tracing.place_in(tracing.place_of(record.traceparent), parent_id),
        attributes={**attributes, "outloud.outcome": "lost"},
        start_ns=max(item.began_at, record.claimed_at) * _NS_PER_MS,
        span_id=span_id,
    )
    tracing.fail(torn, FailureCode.WORKER_LOST)
    torn.end(now * _NS_PER_MS)


def _taken(name: str, record: RunRecord, then: str) -> Span:
    attributes: dict[str, tracing.Value] = {"outloud.outcome": "lost", "outloud.then": then}
    return tracing.start(
        name,
        kind=SpanKind.CONSUMER,
        place=tracing.place_of(record.traceparent),
        attributes={**tracing.attempt_attributes(record), **attributes},
        start_ns=(record.claimed_at or record.started_at) * _NS_PER_MS,
        links=tracing.link_to_attempt(record.traceparent, record.run_id, record.attempt - 1),
        span_id=tracing.attempt_span_id(record.run_id, record.attempt),
    )
