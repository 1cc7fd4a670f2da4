from __future__ import annotations

import builtins
import logging
from collections.abc import Sequence
from typing import Any, cast

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from worker.contract.trace_export import Quiet, TraceExport, find_problem, is_wanted

ADDRESS = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": " "}, False),
        (ADDRESS, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:1/v1/traces"}, True),
        ({**ADDRESS, "OTEL_SDK_DISABLED": "true"}, False),
        ({**ADDRESS, "OTEL_TRACES_EXPORTER": "none"}, False),
        ({**ADDRESS, "OTEL_TRACES_EXPORTER": "otlp"}, True),
    ],
)
def test_the_standard_variables_say_whether_traces_are_wanted(environ: dict[str, str], *, expected: bool) -> None:
    assert is_wanted(environ) is expected
    assert find_problem(environ) == ""


def test_a_protocol_that_is_not_spoken_is_named() -> None:
    assert "grpc" in find_problem({**ADDRESS, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"})
    assert find_problem({**ADDRESS, "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}) == ""
    assert find_problem({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}) == ""


def test_without_the_sdk_the_start_says_once_what_to_install_and_goes_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    original = builtins.__import__

    def without_sdk(name: str, *args: Any, **more: Any) -> Any:
        if name.startswith(("opentelemetry.sdk", "opentelemetry.exporter")):
            raise ModuleNotFoundError(f"No module named {name!r}")
        return original(name, *args, **more)

    monkeypatch.setattr(builtins, "__import__", without_sdk)
    export = TraceExport("test", ADDRESS)

    export.start()
    export.stop()

    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "OTEL_EXPORTER_OTLP_ENDPOINT is set" in caplog.text
    assert "install outloud[otel]" in caplog.text
    assert isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)


def test_without_an_address_nothing_is_started_or_said(caplog: pytest.LogCaptureFixture) -> None:
    export = TraceExport("test", {})

    export.start()
    export.begin_stop()
    export.stop()

    assert caplog.records == []
    assert isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)


def test_a_provider_that_the_process_has_already_is_left_alone(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(trace, "get_tracer_provider", trace.NoOpTracerProvider)
    set_up: list[object] = []
    monkeypatch.setattr(trace, "set_tracer_provider", set_up.append)

    TraceExport("test", ADDRESS).start()

    assert set_up == []
    assert [record.getMessage() for record in caplog.records] == ["traces are sent as this process was set up"]


class Fickle:
    def __init__(self) -> None:
        self.is_away = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        return SpanExportResult.FAILURE if self.is_away else SpanExportResult.SUCCESS


def test_a_collector_that_goes_and_comes_is_named_once_each_time(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    fickle = Fickle()
    quiet = Quiet(cast(SpanExporter, fickle))
    span = cast(ReadableSpan, object())

    for is_away in (False, True, True, True, False, False):
        fickle.is_away = is_away
        quiet.export([span, span])

    assert [record.getMessage() for record in caplog.records] == ["traces cannot be sent", "traces are sent again"]
    assert vars(caplog.records[1])["lost"] == 6
