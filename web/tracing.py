"""The web process's own part in the traces: the requests that begin or change a run, and the publishing of one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from flask import Flask, Response, g, request
from opentelemetry import context, trace
from opentelemetry.trace import Span, SpanKind

from web.errors import Conflict
from worker.contract import tracing
from worker.contract.log_lines import bind

#: Others only look, and do so often.
_TRACED_ENDPOINTS = frozenset({"runs.create_run", "runs.cancel_run", "runs.decide"})


def register_traces(app: Flask) -> None:
    """Trace requests, below the caller's own `traceparent` if they have one: a team's front end or gateway."""

    @app.before_request
    def begin() -> None:
        if request.endpoint in _TRACED_ENDPOINTS:
            g.span = _begin()
            g.outer_context = context.attach(trace.set_span_in_context(g.span))
            bind(**tracing.log_facts())

    @app.after_request
    def note_answer(response: Response) -> Response:
        if (span := g.get("span")) is not None:
            span.set_attribute("http.response.status_code", response.status_code)
            if response.status_code >= 500:
                tracing.fail(span, str(response.status_code))
        return response

    @app.teardown_request
    def end(error: BaseException | None) -> None:
        if (span := g.pop("span", None)) is not None:
            context.detach(g.pop("outer_context"))
            span.end()


@contextmanager
def publishing(run_id: str, queue: str) -> Iterator[Span]:
    """Trace how a run is stored and rung for. What is stored inside as its traceparent is this span's."""
    attributes = {**tracing.message_attributes(queue, "send"), "outloud.run_id": run_id}
    name = f"publish {attributes['messaging.destination.name']}"
    with tracing.span(name, kind=SpanKind.PRODUCER, attributes=attributes, expected=(Conflict,)) as span:
        yield span


def link_to_run(traceparent: str) -> None:
    """Link the current request to the trace of the run that it is about."""
    tracing.link_to_run(trace.get_current_span(), traceparent)


def _begin() -> Span:
    route = request.url_rule.rule if request.url_rule else ""
    return tracing.start(
        f"{request.method} {route}",
        kind=SpanKind.SERVER,
        place=tracing.place_of(request.headers.get("traceparent", "")),
        # The route, not the path: it holds ids, of which the run's is given where it is known.
        attributes={
            "http.request.method": request.method,
            "http.route": route,
            "url.scheme": request.scheme,
            "url.path": route,
        },
    )
