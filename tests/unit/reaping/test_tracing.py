from __future__ import annotations

import msgspec
import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import StatusCode

from tests.support.tracing import Recorder
from worker.contract import tracing
from worker.contract.closing import End, stopped
from worker.contract.events import (
    AgentCompleted,
    AgentCompletedData,
    AgentStarted,
    AgentStartedData,
    Event,
    Failure,
    ToolExecuting,
    ToolExecutingData,
    Usage,
)
from worker.contract.run import RunRecord, RunState
from worker.reaping.tracing import show_end, show_lost_attempt, show_moved_attempt, show_torn_calls

OURS = "00-0123456789abcdef0123456789abcdef-fedcba9876543210-01"
NOW = 100_000
MS = 1_000_000
RUNNING = RunRecord(
    run_id="run_1",
    thread_id="thr_1",
    user_id="usr_1",
    agent="boss",
    message="secret",
    state=RunState.RUNNING,
    created_at=1,
    attempt=2,
    last_seq=9,
    claimed_at=90_000,
    lease_until=99_000,
    owner="wrk_1",
    traceparent=OURS,
)
QUEUED = msgspec.structs.replace(RUNNING, state=RunState.QUEUED, owner="", lease_until=0)
LOST = End(Failure(code="worker_lost", message="secret"))


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    return Recorder(monkeypatch)


def facts(span: ReadableSpan) -> dict[str, object]:
    return dict(span.attributes or {})


def ids(span: ReadableSpan) -> tuple[int, int]:
    assert span.context is not None
    assert span.parent is not None
    return span.context.span_id, span.parent.span_id


def test_a_lost_attempt_is_told_with_its_times_its_worker_and_its_silence(recorder: Recorder) -> None:
    show_lost_attempt(RUNNING, NOW, code="worker_lost", then="queued", silent_ms=1234)

    [span] = recorder.spans
    assert span.name == "attempt 2 lost"
    assert (span.start_time, span.end_time) == (90_000 * MS, NOW * MS)
    assert ids(span) == (tracing.attempt_span_id("run_1", 2), 0xFEDCBA9876543210)
    assert [link.context.span_id for link in span.links] == [tracing.attempt_span_id("run_1", 1)]
    assert span.status.status_code is StatusCode.ERROR
    expected = {
        "outloud.run_id": "run_1",
        "outloud.attempt": 2,
        "outloud.worker_id": "wrk_1",
        "outloud.silent_ms": 1234,
    }
    assert expected.items() <= facts(span).items()
    assert "secret" not in span.to_json()


@pytest.mark.parametrize(
    ("record", "end", "name", "code"),
    [
        (RUNNING, LOST, "attempt 2 lost", "worker_lost"),
        # A person wanted it to stop, but its worker was dead.
        (RUNNING, stopped("user"), "attempt 2 lost", "worker_lost"),
        (
            msgspec.structs.replace(RUNNING, lease_until=NOW + 1),
            End(Failure(code="stalled", message="secret")),
            "attempt 2 lost",
            "stalled",
        ),
        (QUEUED, End(Failure(code="no_worker", message="secret")), "close run", "no_worker"),
        (QUEUED, stopped("user"), "close run", None),
    ],
)
def test_an_end_without_a_worker_is_told(
    recorder: Recorder, record: RunRecord, end: End, name: str, code: str | None
) -> None:
    show_end(record, NOW, end)

    [span] = recorder.spans
    assert span.name == name
    assert facts(span).get("error.type") == code
    assert span.status.status_code is (StatusCode.ERROR if code else StatusCode.UNSET)
    assert "secret" not in span.to_json()


def test_what_a_person_takes_back_is_no_error(recorder: Recorder) -> None:
    show_moved_attempt(RUNNING, NOW)

    [span] = recorder.spans
    assert (span.name, span.status.status_code) == ("attempt 2 taken back", StatusCode.UNSET)


def envelope(seq: int, call_id: str, attempt: int) -> dict[str, object]:
    return {
        "seq": seq,
        "run_id": "run_1",
        "thread_id": "thr_1",
        "attempt": attempt,
        "agent_name": f"agent_{call_id}",
        "agent_call_id": call_id,
        "parent_call_id": call_id.rpartition(".")[0] or None,
        "at": 80_000 + seq * 1_000 + attempt * 5_000,
    }


def started(seq: int, call_id: str, attempt: int = 2) -> Event:
    data = AgentStartedData(input="secret", model=None, tools=[])
    return AgentStarted(**envelope(seq, call_id, attempt), data=data)  # type: ignore[arg-type]


def ended(seq: int, call_id: str, attempt: int = 2) -> Event:
    data = AgentCompletedData(result="secret", duration_ms=1, usage=Usage())
    return AgentCompleted(**envelope(seq, call_id, attempt), data=data)  # type: ignore[arg-type]


def calling(seq: int, call_id: str, tool_call_id: str) -> Event:
    data = ToolExecutingData(call_id=tool_call_id, tool_name="dig", arguments={"x": "secret"}, purpose=None)
    return ToolExecuting(**envelope(seq, call_id, 2), data=data)  # type: ignore[arg-type]


def test_what_a_dead_worker_was_in_the_middle_of_is_told_and_nothing_else(recorder: Recorder) -> None:
    story = [
        started(1, "a1", attempt=1),
        # Begun by the first attempt; the second one has not come so far.
        started(2, "a1.1", attempt=1),
        started(3, "a1.2"),
        ended(4, "a1.2"),
        started(5, "a1.3"),
        calling(6, "a1.3", "a1.3.t1"),
        # Written by whoever ended the run.
        ended(10, "a1.3"),
    ]

    show_torn_calls(RUNNING, NOW, story)

    found = {span.name: span for span in recorder.spans}
    assert set(found) == {"invoke_agent agent_a1", "invoke_agent agent_a1.3", "execute_tool dig"}
    root, inner = tracing.agent_span_id("run_1", 2, "a1"), tracing.agent_span_id("run_1", 2, "a1.3")
    assert ids(found["invoke_agent agent_a1"]) == (root, tracing.attempt_span_id("run_1", 2))
    assert ids(found["invoke_agent agent_a1.3"]) == (inner, root)
    assert ids(found["execute_tool dig"])[1] == inner
    # An agent that an earlier attempt began is this attempt's since its claim.
    assert found["invoke_agent agent_a1"].start_time == RUNNING.claimed_at * MS
    assert found["execute_tool dig"].start_time == 96_000 * MS
    assert {span.status.status_code for span in recorder.spans} == {StatusCode.ERROR}
    assert "secret" not in "".join(span.to_json() for span in recorder.spans)
