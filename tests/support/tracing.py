"""Spans in memory, for tests without a collector."""

from __future__ import annotations

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from worker.contract import tracing
from worker.contract.trace_export import make_provider


class Recorder:
    """Records the spans of this process for one test; others stay without."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._exporter = InMemorySpanExporter()
        provider = make_provider("test", SimpleSpanProcessor(self._exporter))
        monkeypatch.setattr(tracing, "_tracer", provider.get_tracer("test"))

    @property
    def spans(self) -> list[ReadableSpan]:
        """What has ended, in that order."""
        return list(self._exporter.get_finished_spans())
