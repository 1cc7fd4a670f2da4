"""A real OpenTelemetry collector as far as traces go: OTLP over HTTP on loopback, kept in memory.

with Collector() as collector:
    start_system(**collector.environment())
    trace = collector.wait_for(lambda spans: …)
"""

from __future__ import annotations

import gzip
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1 import trace_pb2

from tests.support.waiting import wait_until

#: Names, each with those below it.
Tree = dict[str, "Tree"]


@dataclass(frozen=True)
class TracedEvent:
    name: str
    attributes: dict[str, Any]


@dataclass(frozen=True)
class TracedSpan:
    """A span as it was sent. Ids are hexadecimal; times Unix nanoseconds."""

    name: str
    trace_id: str
    span_id: str
    #: Empty for a root.
    parent_id: str
    #: `server`, `internal` …
    kind: str
    #: `unset`, `ok` or `error`.
    status: str
    status_words: str
    start: int
    end: int
    attributes: dict[str, Any]
    events: list[TracedEvent]
    #: The spans that it links to.
    links: list[str]
    #: Of the process that sent it.
    service: str

    def __getitem__(self, name: str) -> Any:
        return self.attributes[name]


@dataclass
class Collector:
    """Takes spans on a free port until it is left."""

    spans: list[TracedSpan] = field(default_factory=list)
    #: Everything that came, as text: nothing that a person or a model wrote may be in it.
    raw: bytes = b""
    #: What it answers; other than 200 refuses.
    status: int = 200

    def __enter__(self) -> Self:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._os_thread = threading.Thread(target=self._server.serve_forever, name="collector", daemon=True)
        self._os_thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._os_thread.join(5)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def environment(self) -> dict[str, str]:
        """The settings with which a process sends its spans here, soon."""
        return {"OTEL_EXPORTER_OTLP_ENDPOINT": self.url, "OTEL_BSP_SCHEDULE_DELAY": "200"}

    def of_run(self, run_id: str) -> list[TracedSpan]:
        """Give the spans of the traces that a run is named in, by their start."""
        mine = {span.trace_id for span in self.spans if span.attributes.get("outloud.run_id") == run_id}
        return sorted((span for span in self.spans if span.trace_id in mine), key=lambda span: span.start)

    def wait_for(self, run_id: str, *names: str, deadline: float = 20.0) -> list[TracedSpan]:
        """Wait until these spans of a run have come, and give all that have come of its trace."""

        def has_come() -> bool:
            return set(names) <= {span.name for span in self.of_run(run_id)}

        wait_until(has_come, deadline, what=f"{names} of {run_id} in {[span.name for span in self.spans]}")
        return self.of_run(run_id)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        collector = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                if collector.status == 200 and self.path == "/v1/traces":
                    collector.raw += body
                    collector.spans += read_spans(body)
                answer = ExportTraceServiceResponse().SerializeToString()
                self.send_response(collector.status)
                self.send_header("Content-Type", "application/x-protobuf")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
                pass

        return Handler


def tree(spans: Iterable[TracedSpan]) -> Tree:
    """The names of spans below those of their parents; siblings of one name share a place."""
    found = list(spans)
    known = {span.span_id for span in found}

    def below(parent: Callable[[TracedSpan], bool]) -> Tree:
        return {span.name: below(_child_of(span)) for span in found if parent(span)}

    return below(lambda span: span.parent_id not in known)


def _child_of(parent: TracedSpan) -> Callable[[TracedSpan], bool]:
    return lambda span: span.parent_id == parent.span_id


def read_spans(body: bytes) -> list[TracedSpan]:
    """Decode a request of the protocol."""
    request = ExportTraceServiceRequest.FromString(body)
    return [
        _read(span, str(_attributes(resource.resource.attributes).get("service.name", "")))
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]


def _read(span: trace_pb2.Span, service: str) -> TracedSpan:
    return TracedSpan(
        name=span.name,
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        kind=trace_pb2.Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_").lower(),
        status=trace_pb2.Status.StatusCode.Name(span.status.code).removeprefix("STATUS_CODE_").lower(),
        status_words=span.status.message,
        start=span.start_time_unix_nano,
        end=span.end_time_unix_nano,
        attributes=_attributes(span.attributes),
        events=[TracedEvent(event.name, _attributes(event.attributes)) for event in span.events],
        links=[link.span_id.hex() for link in span.links],
        service=service,
    )


def _attributes(pairs: Iterable[KeyValue]) -> dict[str, Any]:
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(item) for item in value.array_value.values]
    return getattr(value, kind) if kind else None
