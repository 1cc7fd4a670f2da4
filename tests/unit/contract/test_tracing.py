from __future__ import annotations

import ast
import asyncio
import subprocess
import sys

import pytest
from opentelemetry import trace
from opentelemetry.trace import StatusCode

from tests.support.environment import ROOT
from tests.support.tracing import Recorder
from worker.agent.errors import ToolDenied, ToolTimeout
from worker.contract import tracing

OURS = "00-0123456789abcdef0123456789abcdef-fedcba9876543210-01"


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    return Recorder(monkeypatch)


def test_without_an_sdk_a_step_is_traced_nowhere() -> None:
    with tracing.span("step", attributes={"a": 1}) as span:
        assert not span.is_recording()
        assert tracing.current_traceparent() == ""
        assert tracing.log_facts() == {}
    assert not tracing.is_traced(OURS)


def test_without_an_sdk_a_callers_place_is_carried_on_as_it_is() -> None:
    with tracing.span("step", place=tracing.place_of(OURS)):
        assert tracing.current_traceparent() == OURS
        assert tracing.log_facts() == {"trace_id": "0123456789abcdef0123456789abcdef"}


@pytest.mark.parametrize("text", ["", "x", OURS[:-1], OURS.replace("fedcba9876543210", "0" * 16), OURS.upper(), "ü"])
def test_a_place_that_is_none_is_passed_over(text: str) -> None:
    with tracing.span("outer", place=tracing.place_of(OURS)), tracing.span("step", place=tracing.place_of(text)):
        assert tracing.current_traceparent() == ""


def test_steps_are_below_the_place_that_they_are_given(recorder: Recorder) -> None:
    with tracing.span("outer", place=tracing.place_of(OURS)):
        here = tracing.current_traceparent()
        with tracing.span("inner"):
            pass

    inner, outer = recorder.spans
    assert outer.parent is not None
    assert outer.parent.span_id == 0xFEDCBA9876543210
    assert inner.parent == outer.context
    assert outer.context is not None
    assert here == f"00-{'0123456789abcdef' * 2}-{outer.context.span_id:016x}-01"


def test_an_error_is_told_by_its_code_and_never_by_its_words(recorder: Recorder) -> None:
    for error in (ToolTimeout("secret words"), ValueError("secret words")):
        with pytest.raises(type(error)), tracing.span("step"):
            raise error

    assert [(span.attributes or {})["error.type"] for span in recorder.spans] == ["tool_timeout", "ValueError"]
    assert {span.status.status_code for span in recorder.spans} == {StatusCode.ERROR}
    assert "secret" not in "".join(span.to_json() for span in recorder.spans)


def test_words_in_the_place_of_a_code_are_not_told() -> None:
    class Strange(Exception):
        code = "not a code, but words"

    assert tracing.code_of(Strange()) == "Strange"


def test_neither_a_stop_nor_what_is_expected_is_an_error(recorder: Recorder) -> None:
    with pytest.raises(asyncio.CancelledError), tracing.span("step"):
        raise asyncio.CancelledError
    with pytest.raises(ToolDenied), tracing.span("step", expected=(ToolDenied,)):
        raise ToolDenied("no")

    assert [span.status.status_code for span in recorder.spans] == [StatusCode.UNSET] * 2
    assert [(span.attributes or {})["outloud.outcome"] for span in recorder.spans] == ["stopped", "denied"]


def test_a_step_that_is_not_current_may_end_in_another_context(recorder: Recorder) -> None:
    step = tracing.span("step", is_current=False)
    span = step.__enter__()
    assert trace.get_current_span() is not span

    asyncio.run(_leave(step))

    assert [span.name for span in recorder.spans] == ["step"]


async def _leave(step: object) -> None:
    step.__exit__(None, None, None)  # type: ignore[attr-defined]


def test_an_attempt_is_found_by_who_knows_the_run(recorder: Recorder) -> None:
    wanted = tracing.attempt_span_id("run_1", 1)
    tracing.start("attempt 1", place=tracing.place_of(OURS), span_id=wanted).end()
    links = tracing.link_to_attempt(OURS, "run_1", 1)
    tracing.start("attempt 2", place=tracing.place_of(OURS), links=links).end()

    first, second = recorder.spans
    assert first.context is not None
    assert second.context is not None
    assert first.context.span_id == wanted != second.context.span_id
    assert [link.context.span_id for link in second.links] == [wanted]
    assert [link.context.trace_id for link in second.links] == [first.context.trace_id]


def test_there_is_no_link_to_an_attempt_that_there_was_not_or_that_nobody_traced() -> None:
    assert tracing.link_to_attempt(OURS, "run_1", 0) == []
    assert tracing.link_to_attempt("", "run_1", 1) == []


def test_attempts_and_agent_calls_have_ids_of_their_own() -> None:
    ids = [tracing.attempt_span_id(run, attempt) for run in ("run_1", "run_2") for attempt in (1, 2)]
    ids += [tracing.agent_span_id("run_1", 1, call_id) for call_id in ("a1", "a1.1")]

    assert len(set(ids)) == 6
    assert all(0 < span_id < 2**64 for span_id in ids)


def test_only_one_module_knows_the_sdk() -> None:
    knowing = {
        path.relative_to(ROOT).as_posix()
        for folder in ("worker", "web")
        for path in (ROOT / folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom | ast.Import)
        for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names])
        if name.startswith(("opentelemetry.sdk", "opentelemetry.exporter"))
    }

    assert knowing == {"worker/contract/trace_export.py"}


def test_the_sdk_is_not_loaded_before_it_is_wanted() -> None:
    names = "opentelemetry.sdk.trace", "opentelemetry.exporter"
    code = f"import sys, web.app, worker.app; print([name for name in {names} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
