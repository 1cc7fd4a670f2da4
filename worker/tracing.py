"""The span of an attempt: a consumer of the run's message, begun at the claim and sent if the worker ends the attempt.

If the attempt is lost it is never ended here: who took it away shows it (`worker.reaping.tracing`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind

from worker.contract import tracing
from worker.contract.closing import End
from worker.contract.log_lines import bound
from worker.contract.run import RunRecord, RunState
from worker.outcomes import LOG_LOST, Completed, Lost, Outcome, Released, Vanished


@contextmanager
def tracing_attempt(record: RunRecord) -> Iterator[None]:
    """Trace what is done inside below a new span, which `end_attempt` ends. Log lines get the trace's id."""
    span = tracing.start(
        f"attempt {record.attempt}",
        kind=SpanKind.CONSUMER,
        place=tracing.place_of(record.traceparent),
        attributes={**tracing.attempt_attributes(record), "outloud.queue_wait_ms": record.waited_ms},
        links=tracing.link_to_attempt(record.traceparent, record.run_id, record.attempt - 1),
        span_id=tracing.attempt_span_id(record.run_id, record.attempt),
    )
    with trace.use_span(span, record_exception=False, set_status_on_exception=False), bound(**tracing.log_facts()):
        yield


def end_attempt(outcome: Outcome) -> None:
    """End the current span, that of an attempt which has ended so with the log's consent."""
    span = trace.get_current_span()
    match outcome:
        case Completed():
            span.set_attribute("outloud.outcome", RunState.COMPLETED)
        case End():
            _end_badly(span, outcome)
        case Vanished():
            _end_badly(span, LOG_LOST)
        case Released(state, _):
            span.set_attribute("outloud.outcome", state)
        case Lost():
            return
    span.end()


def _end_badly(span: Span, end: End) -> None:
    span.set_attribute("outloud.outcome", end.state)
    if end.state is RunState.FAILED:
        tracing.fail(span, end.failure.code)
