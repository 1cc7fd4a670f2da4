"""What a monitoring system reads after work was done: both kinds of process, from any web process."""

from __future__ import annotations

import time
from collections.abc import Iterator

import httpx
import pytest

from tests.support.client import Client
from tests.support.figures import Figures, figures_at, figures_when
from tests.support.model_provider import ModelProvider, call, text
from tests.support.system import System, running_system
from web.metrics import LOOK_SECONDS
from worker.contract.metrics import METRICS

#: Nothing is wrong in this system, so nothing is counted that has no label known beforehand.
UNMET = {"outloud_approval_wait_seconds", "outloud_lost_attempt_silence_seconds"}


@pytest.fixture(scope="module")
def provider() -> Iterator[ModelProvider]:
    with ModelProvider() as made:
        yield made


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory, provider: ModelProvider) -> Iterator[System]:
    settings = {
        **provider.environment(),
        "AGENTS": "tests.support.agents,worker.crew.agents",
        "MODEL_MAX_RETRIES": "1",
    }
    with running_system(tmp_path_factory.mktemp("metrics"), settings) as running:
        running.start_web()
        yield running


@pytest.fixture(scope="module")
def figures(system: System, provider: ModelProvider) -> Figures:
    """What the other web process says after some runs that were watched at the first."""
    client = Client(system.url_of(system.webs[0]))
    client.follow(client.post_run("hi", agent="quick")["run_id"])
    client.follow(client.post_run("hi", agent="clumsy")["run_id"])
    client.follow(client.post_run("hi", agent="fragile")["run_id"])
    provider.fail(503, times=1)
    provider.reply(call("calculate", expression="6 * 7"), call("no_such_tool"))
    provider.reply(text("It is ", "42."))
    run_id = client.post_run("6 times 7?", agent="optimization")["run_id"]
    client.follow(run_id)
    answer = client.http.get(f"/api/runs/{run_id}/events", headers={"Accept": "text/event-stream"})
    assert answer.text.count("id: ") >= 4
    client.http.get("/ws", headers={"Origin": "https://elsewhere.example"})
    client.close()

    return figures_when(
        system.url,
        lambda now: now.value("outloud_runs_ended_total") == 4 and now.value("outloud_viewers_closed_total") >= 5,
        what="the figures are there",
    )


def test_runs_and_attempts_are_counted_by_agent_and_outcome(figures: Figures) -> None:
    assert figures.value("outloud_runs_ended_total", agent="quick", outcome="completed") == 1
    assert figures.value("outloud_runs_ended_total", agent="fragile", outcome="failed") == 1
    assert figures.value("outloud_runs_failed_total", code="agent_error") == 1
    assert figures.value("outloud_attempts_started_total", kind="first") == 4
    assert figures.value("outloud_attempts_ended_total", outcome="completed") == 3
    assert figures.value("outloud_first_event_seconds_count") == 4
    assert 0 < figures.value("outloud_first_event_seconds_sum") < 10
    assert figures.value("outloud_queue_wait_seconds_count") == 4
    assert figures.value("outloud_run_duration_seconds_count", agent="optimization") == 1


def test_tools_are_counted_by_the_names_that_are_registered(figures: Figures) -> None:
    assert figures.value("outloud_tool_calls_total", tool="add", status="ok") == 1
    assert figures.value("outloud_tool_calls_total", tool="explode", status="error") == 1
    assert figures.value("outloud_tool_calls_total", tool="unknown", status="error") == 1
    assert "no_such_tool" not in figures.label("outloud_tool_calls_total", "tool")
    assert figures.value("outloud_tool_duration_seconds_sum", tool="oversleep") >= 0.2


def test_a_model_s_requests_tries_and_tokens_are_counted(figures: Figures) -> None:
    [model] = figures.label("outloud_model_calls_total", "model")

    assert figures.value("outloud_model_calls_total", model=model, outcome="ok") == 2
    assert figures.value("outloud_model_retries_total", model=model) == 1
    assert figures.value("outloud_model_duration_seconds_count", model=model) == 2
    assert figures.value("outloud_model_first_token_seconds_count", model=model) == 2
    assert figures.value("outloud_model_tokens_total", direction="output") > 0


def test_what_viewers_were_given_is_counted_where_they_were(figures: Figures) -> None:
    assert figures.value("outloud_events_sent_total") >= 20
    assert 0 < figures.value("outloud_frames_sent_total") <= figures.value("outloud_events_sent_total")
    assert figures.value("outloud_event_lag_seconds_count") >= 10
    assert figures.value("outloud_event_lag_seconds_bucket", le="1.0") == figures.value(
        "outloud_event_lag_seconds_count"
    )
    assert figures.value("outloud_viewers_closed_total", kind="socket", code="1000") == 4
    assert figures.value("outloud_viewers_closed_total", kind="event_stream") == 1
    assert figures.value("outloud_handshakes_refused_total", reason="foreign_origin") == 1
    assert figures.value("outloud_subscriber_up") == 2


def test_requests_are_counted_by_route(figures: Figures) -> None:
    assert figures.value("outloud_http_requests_total", route="/api/runs", method="POST", status="202") == 4
    assert figures.value("outloud_http_duration_seconds_count", route="/api/runs") == 4


def test_every_metric_of_the_table_is_there_and_no_other(figures: Figures) -> None:
    assert figures.names == {metric.name for metric in METRICS} - UNMET


def test_processes_are_told_apart(figures: Figures) -> None:
    assert figures.value("outloud_processes", kind="web") == 2
    assert figures.value("outloud_processes", kind="worker") == 1
    assert len(figures.label("outloud_process_cpu_seconds_total", "process")) == 3
    assert all(name.startswith("web_") for name in figures.label("outloud_viewers", "process"))


def test_no_answer_falls_behind_one_that_another_process_gave_before(system: System) -> None:
    """Prometheus takes a counter that shrinks for one that began anew, and counts it all once more."""
    told = 0.0
    for round_number in range(4):
        web = system.webs[round_number % 2]
        # As a scraper does, which leaves more time between two questions than a look is kept.
        time.sleep(LOOK_SECONDS)
        httpx.get(f"{system.url_of(web)}/api/agents")
        now = figures_at(system.url_of(web)).value("outloud_http_requests_total", route="/api/agents")
        assert now > told
        told = now


def test_a_process_that_stops_leaves_its_last_counts(system: System) -> None:
    before = figures_at(system.url)
    client = Client(system.url)
    client.follow(client.post_run("hi", agent="quick")["run_id"])
    client.close()

    system.worker.terminate()
    after = figures_at(system.url)

    ended = before.value("outloud_runs_ended_total", agent="quick") + 1
    assert after.value("outloud_runs_ended_total", agent="quick") == ended
    assert after.label("outloud_worker_runs", "process") == set()
