"""Sends this process's traces to an OpenTelemetry collector. The only module that knows OpenTelemetry's SDK.

The SDK is an extra of ours (`outloud[otel]`), is started where an address is set, and reads the standard variables by
itself. A collector that is away costs nothing but its spans: they wait in a bounded queue of the SDK's own OS thread.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, cast

from opentelemetry import trace

from worker.contract.tracing import chosen_span_id

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

logger = logging.getLogger(__name__)

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_PROTOCOL = "http/protobuf"
#: What the process's end may wait for its last spans.
FLUSH_SECONDS = 2.0
#: A collector that stays away is named again after this time.
_REMIND_SECONDS = 600.0
#: They would write a line or a traceback for each batch that cannot be sent.
_LOUD_LOGGERS = ("opentelemetry", "urllib3.connectionpool")


def is_wanted(environ: Mapping[str, str]) -> bool:
    """Whether the environment asks for traces."""
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    wanted = environ.get("OTEL_TRACES_EXPORTER", "").strip().lower() in ("", "otlp")
    return wanted and any(environ.get(name, "").strip() for name in ENDPOINTS)


def find_problem(environ: Mapping[str, str]) -> str:
    """Say in words why traces that are wanted cannot be sent; empty when they can, or none are wanted."""
    if not is_wanted(environ):
        return ""
    name = next(name for name in ENDPOINTS if environ.get(name, "").strip())
    protocol = next((environ[name].strip() for name in _PROTOCOLS if environ.get(name, "").strip()), _PROTOCOL)
    if protocol != _PROTOCOL:
        return f"{name} is set, but no traces are sent: only the protocol {_PROTOCOL} is spoken here, not {protocol}"
    try:
        import opentelemetry.exporter.otlp.proto.http.trace_exporter
        import opentelemetry.sdk.trace  # noqa: F401
    except ImportError as error:
        return f"{name} is set, but no traces are sent: install outloud[otel] ({error})"
    return ""


class TraceExport:
    """Of one process. `start` after a fork, not before it; `start` and `stop` once each, from any OS thread."""

    def __init__(self, service: str, environ: Mapping[str, str]) -> None:
        """`service` is what the process is called where the environment does not say."""
        self._service = service
        self._environ = environ
        self._provider: TracerProvider | None = None

    def start(self) -> None:
        """Begin to send, if the environment asks for it; never fails, since a run is worth more than its trace."""
        if not is_wanted(self._environ):
            return
        if problem := find_problem(self._environ):
            logger.warning(problem, extra={"action": "traces_off"})
            return
        if not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
            # Whoever started this process, such as `opentelemetry-instrument`, has set one up.
            logger.info("traces are sent as this process was set up", extra={"action": "traces_on"})
            return
        try:
            self._provider = make_provider(self._service, _make_processor())
        except Exception:
            # The SDK reads its variables by itself.
            logger.warning("no traces are sent", extra={"action": "traces_off"}, exc_info=True)
            return
        trace.set_tracer_provider(self._provider)
        logger.info("traces are sent", extra={"action": "traces_on"})

    def begin_stop(self) -> None:
        """There is nothing to tell anybody before `stop`."""

    def stop(self, timeout: float = FLUSH_SECONDS) -> None:
        """Send what is left; blocks for at most `timeout` seconds, and not longer than `FLUSH_SECONDS`."""
        if self._provider is None:
            return
        # The SDK's own limits are those of its exports, which is longer than a platform waits.
        closing = threading.Thread(target=self._provider.shutdown, name="traces-end", daemon=True)
        closing.start()
        closing.join(min(timeout, FLUSH_SECONDS))


def make_provider(service: str, processor: SpanProcessor) -> TracerProvider:
    """Make what spans come from; a span may choose its id."""
    from opentelemetry.sdk.resources import SERVICE_NAME, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.id_generator import RandomIdGenerator

    class Ids(RandomIdGenerator):
        """Random, but for a span whose id was chosen."""

        def generate_span_id(self) -> int:
            return chosen_span_id.get() or super().generate_span_id()

    resource = Resource.create()
    if str(resource.attributes.get(SERVICE_NAME, "")).startswith("unknown_service"):
        resource = resource.merge(Resource({SERVICE_NAME: service}))
    provider = TracerProvider(resource=resource, id_generator=Ids(), shutdown_on_exit=False)
    provider.add_span_processor(processor)
    return provider


def _make_processor() -> SpanProcessor:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter

    for name in _LOUD_LOGGERS:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    return BatchSpanProcessor(cast(SpanExporter, Quiet(OTLPSpanExporter())))


class Quiet:
    """An exporter that says once that its collector is away, and once that it is back, instead of a line per batch."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self._lost = 0
        self._said_at = 0.0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = self._exporter.export(spans)
        if result.value == 0:
            self._note_success()
        else:
            self._note_failure(len(spans))
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._exporter.force_flush(timeout_millis)

    def _note_success(self) -> None:
        if self._lost:
            logger.info("traces are sent again", extra={"action": "traces_on", "lost": self._lost})
        self._lost, self._said_at = 0, 0.0

    def _note_failure(self, count: int) -> None:
        self._lost += count
        now = time.monotonic()
        if not self._said_at or now - self._said_at > _REMIND_SECONDS:
            self._said_at = now
            logger.warning("traces cannot be sent", extra={"action": "traces_lost", "lost": self._lost})
