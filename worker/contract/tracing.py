"""Traces: a run is one OpenTelemetry trace over every process that has a part in it (decision 15).

    POST /api/runs ─ publish ─┬─ attempt 1 ─ invoke_agent ─┬─ chat, execute_tool
                              ├─ attempt 2                 └─ invoke_agent …
                              └─ follow run, one for each time that a viewer follows it

The run's record carries the place of `publish` as W3C `traceparent`; who works on the run later goes on from there.

Only OpenTelemetry's interface is used here: it does nothing until `trace_export` has started its SDK. Attributes name
and measure. No prompt, answer or argument is ever among them, and no words of an error, which may quote one.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, NonRecordingSpan, Span, SpanContext, SpanKind, StatusCode, TraceFlags
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from worker.contract.commands import broker_queue
from worker.contract.run import RunRecord

Value = str | int | float | bool
Attributes = Mapping[str, Value]

#: The id that the next span of this context gets; `trace_export` asks for it. None: a random one.
chosen_span_id: ContextVar[int | None] = ContextVar("chosen_span_id", default=None)

_HEADER = "traceparent"
_tracer = trace.get_tracer("outloud")
_propagator = TraceContextTextMapPropagator()
#: What a code looks like, as opposed to words.
_CODE = re.compile(r"[A-Za-z0-9_.]{1,64}")
_STOPPED = "stopped"


def place_of(traceparent: str) -> Context:
    """Give the place that a traceparent names, for spans below it; for one that is empty or unreadable, none."""
    return _propagator.extract({_HEADER: traceparent}, Context()) if traceparent else Context()


def current_traceparent() -> str:
    """Name the current place; empty when nothing is traced here."""
    carrier: dict[str, str] = {}
    _propagator.inject(carrier)
    return carrier.get(_HEADER, "")


def log_facts(place: Context | None = None) -> dict[str, str]:
    """Name the trace of a place (None: the current one) for log lines, as backends show it; nothing if it has none."""
    context = trace.get_current_span(place).get_span_context()
    return {"trace_id": trace.format_trace_id(context.trace_id)} if context.is_valid else {}


def start(
    name: str,
    *,
    kind: SpanKind = SpanKind.INTERNAL,
    place: Context | None = None,
    attributes: Attributes | None = None,
    start_ns: int | None = None,
    links: list[Link] | None = None,
    span_id: int | None = None,
) -> Span:
    """Begin a span that its caller ends; one that is never ended is not sent.

    Args:
        place: What it is below; None is the current span.
        start_ns: When it began, in Unix nanoseconds; None is now.
        span_id: Its id; None is a random one.
    """
    token = chosen_span_id.set(span_id)
    try:
        return _tracer.start_span(name, place, kind, attributes, links, start_ns)
    finally:
        chosen_span_id.reset(token)


@contextmanager
def span(
    name: str,
    *,
    kind: SpanKind = SpanKind.INTERNAL,
    place: Context | None = None,
    attributes: Attributes | None = None,
    span_id: int | None = None,
    is_current: bool = True,
    expected: tuple[type[Exception], ...] = (),
) -> Iterator[Span]:
    """Trace a step: an `Exception` that leaves it makes it an error, any other end from outside does not.

    Args:
        expected: What may leave it and is no fault.
        is_current: False where the step may end in another context than it began in: an async generator's.
    """
    begun = start(name, kind=kind, place=place, attributes=attributes, span_id=span_id)
    try:
        if is_current:
            with trace.use_span(begun, record_exception=False, set_status_on_exception=False):
                yield begun
        else:
            yield begun
    except expected as error:
        begun.set_attribute("outloud.outcome", code_of(error))
        raise
    except Exception as error:
        fail(begun, code_of(error))
        raise
    except BaseException:
        begun.set_attribute("outloud.outcome", _STOPPED)
        raise
    finally:
        begun.end()


def fail(failed: Span, code: str) -> None:
    """Mark a span as an error, by the code of what went wrong."""
    failed.set_attribute("error.type", code)
    failed.set_status(StatusCode.ERROR)


def code_of(error: BaseException) -> str:
    """Give the code of an error: its own if it has one, else its type. Never its words."""
    code = getattr(error, "code", None)
    if isinstance(code, str) and _CODE.fullmatch(code):
        return str(code)
    return type(error).__name__


def message_attributes(queue: str, operation: str) -> dict[str, Value]:
    """Describe a message of ours; its queue as in a run's record."""
    return {
        "messaging.system": "celery",
        "messaging.operation.type": operation,
        "messaging.destination.name": broker_queue(queue),
    }


def attempt_attributes(record: RunRecord) -> dict[str, Value]:
    """Describe the newest attempt at a run, in the words of the log lines."""
    return {
        **message_attributes(record.queue, "process"),
        "outloud.run_id": record.run_id,
        "outloud.thread_id": record.thread_id,
        "outloud.agent": record.agent,
        "outloud.attempt": record.attempt,
        "outloud.worker_id": record.owner,
    }


def agent_attributes(name: str, call_id: str, thread_id: str) -> dict[str, Value]:
    """Describe an agent call, as OpenTelemetry's GenAI conventions do."""
    return {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.agent.name": name,
        "gen_ai.conversation.id": thread_id,
        "outloud.agent_call_id": call_id,
    }


def tool_attributes(name: str) -> dict[str, Value]:
    """Describe a tool call likewise; the name is empty where there is no such tool."""
    named: dict[str, Value] = {"gen_ai.tool.name": name} if name else {}
    return {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.type": "function", **named}


def attempt_span_id(run_id: str, attempt: int) -> int:
    """The id of an attempt's span, known to whoever knows the run.

    So a process that finds a dead worker's attempt can send its span, and what the worker had sent of it is below that.
    """
    return _span_id(f"{run_id}:{attempt}")


def agent_span_id(run_id: str, attempt: int, call_id: str) -> int:
    """The id of an agent call's span inside an attempt, known for the same reason."""
    return _span_id(f"{run_id}:{attempt}:{call_id}")


def place_in(place: Context, span_id: int) -> Context:
    """Give the place below the span of this id, in the trace of `place`."""
    outer = trace.get_current_span(place).get_span_context()
    if not outer.is_valid:
        return place
    context = SpanContext(outer.trace_id, span_id, is_remote=True, trace_flags=outer.trace_flags)
    return trace.set_span_in_context(NonRecordingSpan(context), place)


def link_to_attempt(traceparent: str, run_id: str, attempt: int) -> list[Link]:
    """Link to an attempt at a run; to nothing when there was none, or the run is not traced."""
    trace_id = trace.get_current_span(place_of(traceparent)).get_span_context().trace_id
    if attempt < 1 or not trace_id:
        return []
    flags = TraceFlags(TraceFlags.SAMPLED)
    context = SpanContext(trace_id, attempt_span_id(run_id, attempt), is_remote=True, trace_flags=flags)
    return [Link(context, {"outloud.attempt": attempt})]


def link_to_run(linked: Span, traceparent: str) -> None:
    """Link a span to the trace of a run, where it is another one."""
    context = trace.get_current_span(place_of(traceparent)).get_span_context()
    if context.is_valid and context.trace_id != linked.get_span_context().trace_id:
        linked.add_link(context)


def is_traced(traceparent: str) -> bool:
    """Whether spans below this place would be sent; for who has to look for what they would say."""
    context = trace.get_current_span(place_of(traceparent)).get_span_context()
    return context.trace_flags.sampled and not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)


def _span_id(name: str) -> int:
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest()) or 1
