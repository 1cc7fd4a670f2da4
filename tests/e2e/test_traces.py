"""One run as one trace: real processes, a real collector, a scripted model, a viewer on a WebSocket."""

from __future__ import annotations

import json
import signal
import threading
import time
from collections.abc import Iterator

import pytest

from tests.conftest import SystemFactory
from tests.support.client import Client
from tests.support.model_provider import ModelProvider, call, reply, text, thinking, wait
from tests.support.otlp import Collector, TracedSpan, Tree, tree
from tests.support.redis import free_port
from tests.support.system import System
from tests.support.waiting import scaled, wait_until

AGENTS = "tests.support.agents,worker.crew.agents"
PUBLISH = "publish agent.default"
CHAT = "chat test-model"


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as made:
        yield made


@pytest.fixture
def clients() -> Iterator[list[Client]]:
    made: list[Client] = []
    yield made
    for client in made:
        client.close()


def connect(system: System, clients: list[Client]) -> Client:
    clients.append(Client(system.url))
    return clients[-1]


def named(spans: list[TracedSpan], name: str) -> TracedSpan:
    [found] = [span for span in spans if span.name == name]
    return found


def below(spans: list[TracedSpan], parent: TracedSpan) -> list[TracedSpan]:
    return [span for span in spans if span.parent_id == parent.span_id]


def test_one_trace_from_the_post_to_the_socket(
    start_system: SystemFactory, collector: Collector, clients: list[Client]
) -> None:
    with ModelProvider() as provider:
        system = start_system(AGENTS=AGENTS, **provider.environment("openai"), **collector.environment())
        client = connect(system, clients)
        provider.when("triage", then=[reply(call("delegate", agent="optimization", task="plumtask"))])
        provider.when("triage", then=[reply(text("Peachanswer."))])
        provider.when(
            "optimization", then=[reply(thinking("Figthought"), call("calculate", expression="17 * 3 + 4242"))]
        )
        provider.when("optimization", then=[reply(text("Pearanswer."))])
        ours = "00-0123456789abcdef0123456789abcdef-fedcba9876543210-01"
        client.http.headers["traceparent"] = ours

        run_id = client.post_run("Applequestion?", agent="triage")["run_id"]
        events = client.follow(run_id)
        spans = collector.wait_for(run_id, "attempt 1", "follow run", PUBLISH, "POST /api/runs")

    assert events[-1]["type"] == "agent_completed"
    assert {span.trace_id for span in spans} == {"0123456789abcdef0123456789abcdef"}
    for process, action in ((system.web, "request"), (system.worker, "attempt_ended")):
        [line] = [line for line in process.output.splitlines() if run_id in line and f'"{action}"' in line]
        assert json.loads(line)["trace_id"] == "0123456789abcdef0123456789abcdef"
    delegated: Tree = {CHAT: {}, "execute_tool calculate": {}}
    agents: Tree = {"invoke_agent triage": {CHAT: {}, "invoke_agent optimization": delegated}}
    assert tree(spans) == {"POST /api/runs": {PUBLISH: {"attempt 1": agents, "follow run": {}}}}
    assert named(spans, "POST /api/runs").parent_id == "fedcba9876543210"
    assert len([span for span in spans if span.name == CHAT]) == 4
    assert {span.status for span in spans} == {"unset"}
    kinds = {span.name: span.kind for span in spans}
    assert [kinds[name] for name in ("POST /api/runs", PUBLISH, "attempt 1", CHAT)] == [
        "server",
        "producer",
        "consumer",
        "client",
    ]
    assert {span.name: span.service for span in spans}["attempt 1"] == "outloud-worker"
    assert named(spans, "follow run").service == "outloud-web"


def test_spans_say_what_happened_and_nothing_that_was_said(
    start_system: SystemFactory, collector: Collector, clients: list[Client]
) -> None:
    with ModelProvider() as provider:
        system = start_system(AGENTS=AGENTS, **provider.environment("openai"), **collector.environment())
        client = connect(system, clients)
        provider.reply(thinking("Figthought"), call("calculate", expression="17 * 3 + 4242"))
        provider.reply(call("plumtool", plumargument="plumvalue"))
        provider.reply(text("Pearanswer."))

        run_id = client.post_run("Applequestion?", agent="optimization")["run_id"]
        events = client.follow(run_id)
        spans = collector.wait_for(run_id, "attempt 1", "follow run", "POST /api/runs")

    attempt, follow = named(spans, "attempt 1"), named(spans, "follow run")
    assert attempt["outloud.outcome"] == "completed"
    assert attempt["outloud.worker_id"].startswith("wrk_")
    assert attempt["messaging.destination.name"] == "agent.default"
    assert 0 <= attempt["outloud.queue_wait_ms"] < 10_000
    assert follow["outloud.events_sent"] == len(events)
    assert [(event.name, event.attributes["outloud.seq"]) for event in follow.events] == [
        ("first_event_sent", 1),
        ("last_event_sent", len(events)),
    ]
    assert all(0 <= event.attributes["outloud.lag_ms"] < 10_000 for event in follow.events)
    assert named(spans, "POST /api/runs")["http.response.status_code"] == 202
    agent, usage = named(spans, "invoke_agent optimization"), events[-1]["data"]["usage"]
    assert agent["gen_ai.usage.input_tokens"] == usage["input_tokens"] > 0
    chats = [span for span in spans if span.attributes.get("gen_ai.operation.name") == "chat"]
    assert sum(span["gen_ai.usage.output_tokens"] for span in chats) == usage["output_tokens"]
    assert {span["gen_ai.provider.name"] for span in chats} == {"openai-compatible"}
    tool = named(spans, "execute_tool calculate")
    [completed] = [e["data"] for e in events if e["type"] == "tool_completed" and e["data"]["tool_name"] == "calculate"]
    assert (tool["gen_ai.tool.name"], tool["gen_ai.tool.call.id"]) == ("calculate", completed["call_id"])
    assert (tool["outloud.tool.status"], tool.status) == ("ok", "unset")
    # A tool that there is not is the model's text as well.
    refused = named(spans, "execute_tool")
    assert (refused["error.type"], refused.status, refused.status_words) == ("unknown_tool", "error", "")
    for word in ("Apple", "Fig", "Pear", "plum", "4242", "4293"):
        assert word.encode() not in collector.raw
        assert word.lower().encode() not in collector.raw.lower()


def test_a_killed_worker_leaves_its_attempt_in_the_trace(
    start_system: SystemFactory, collector: Collector, clients: list[Client]
) -> None:
    system = start_system(AGENTS=AGENTS, LEASE_SECONDS="2", COUNTER_FILE="/dev/null", **collector.environment())
    client = connect(system, clients)
    run_id = client.post_run("12 0.5", agent="walker")["run_id"]
    collector.wait_for(run_id, "execute_tool note")
    killed_at = time.time_ns()
    system.worker.kill()
    system.start_worker()

    events = client.follow(run_id)
    spans = collector.wait_for(run_id, "attempt 1 lost", "attempt 2", "follow run")

    assert events[-1]["type"] == "agent_completed"
    lost, second = named(spans, "attempt 1 lost"), named(spans, "attempt 2")
    publish = named(spans, PUBLISH)
    assert lost.trace_id == second.trace_id == publish.trace_id
    assert lost.parent_id == second.parent_id == publish.span_id
    assert (lost.status, lost["error.type"], lost["outloud.then"]) == ("error", "worker_lost", "queued")
    assert lost.start < killed_at < lost.end <= second.start + 50_000_000
    assert lost["outloud.worker_id"] != second["outloud.worker_id"]
    assert lost["outloud.attempt"] == 1
    assert lost["outloud.run_id"] == run_id
    # It wrote or renewed its lease at least every 0.6 s.
    unheard_ms = lost["outloud.silent_ms"] - (lost.end - killed_at) / 1_000_000
    assert -50 < unheard_ms < 1_000
    assert second.links == [lost.span_id]
    assert (second.status, second["outloud.outcome"]) == ("unset", "completed")
    # What the dead worker had sent hangs below its attempt, beside what it was in the middle of.
    assert tree(spans) == {
        "POST /api/runs": {
            PUBLISH: {
                "attempt 1 lost": {"invoke_agent walker": {"execute_tool note": {}}},
                "attempt 2": {"invoke_agent walker": {"execute_tool note": {}}},
                "follow run": {},
            }
        }
    }
    torn_agent, again = (below(spans, attempt)[0] for attempt in (lost, second))
    assert (torn_agent.status, torn_agent["outloud.outcome"], torn_agent.end) == ("error", "lost", lost.end)
    *done, torn = below(spans, torn_agent)
    assert {span["outloud.tool.status"] for span in done} == {"ok"}
    assert (torn.status, torn["outloud.outcome"]) == ("error", "lost")
    # What the journal answered is no tool call; the torn one is told as interrupted, and not run again.
    assert [event.name for event in again.events] == ["replayed"] * (len(done) + 1)
    assert len(done) + 1 + len(below(spans, again)) == 12


def test_an_attempt_is_sent_once_although_its_worker_comes_back(
    start_system: SystemFactory, collector: Collector, clients: list[Client]
) -> None:
    system = start_system(AGENTS=AGENTS, LEASE_SECONDS="2", COUNTER_FILE="/dev/null", **collector.environment())
    client = connect(system, clients)
    run_id = client.post_run("6 0.5", agent="walker")["run_id"]
    collector.wait_for(run_id, "execute_tool note")
    paused = system.worker
    paused.send(signal.SIGSTOP)
    system.start_worker()
    client.follow(run_id)
    collector.wait_for(run_id, "attempt 1 lost", "attempt 2", "follow run")
    paused.send(signal.SIGCONT)
    wait_until(lambda: any(run_id in line and '"lost"' in line for line in paused.output.splitlines()))
    paused.terminate()

    attempts = [span for span in collector.of_run(run_id) if span.name.startswith("attempt ")]

    assert [span.name for span in attempts] == ["attempt 1 lost", "attempt 2"]


def test_a_replayed_answer_of_a_model_is_no_call(
    start_system: SystemFactory, collector: Collector, clients: list[Client]
) -> None:
    with ModelProvider() as provider:
        settings = {**provider.environment("openai"), **collector.environment()}
        system = start_system(AGENTS=AGENTS, LEASE_SECONDS="2", **settings)
        client = connect(system, clients)
        provider.reply(call("calculate", expression="1 + 1"))
        over = threading.Event()
        provider.reply(wait(over), text("too late"))
        provider.reply(text("two"))
        run_id = client.post_run("1 + 1?", agent="optimization")["run_id"]
        wait_until(lambda: len(provider.requests) == 2)
        collector.wait_for(run_id, "execute_tool calculate")
        system.worker.kill()
        over.set()
        system.start_worker()

        events = client.follow(run_id)
        spans = collector.wait_for(run_id, "attempt 1 lost", "attempt 2", "follow run")

    assert events[-1]["data"]["result"] == "two"
    # The second request of the first attempt never ended, and its first one is not asked again.
    [lost] = below(spans, named(spans, "attempt 1 lost"))
    [again] = below(spans, named(spans, "attempt 2"))
    assert sorted(span.name for span in below(spans, lost)) == [CHAT, "execute_tool calculate"]
    assert [span.name for span in below(spans, again)] == [CHAT]
    replayed = [event.attributes["gen_ai.operation.name"] for event in again.events if event.name == "replayed"]
    assert replayed == ["chat", "execute_tool"]


def test_a_run_that_waited_for_a_person_goes_on_in_the_same_trace(
    start_system: SystemFactory, collector: Collector, clients: list[Client]
) -> None:
    system = start_system(AGENTS=AGENTS, **collector.environment())
    client = connect(system, clients)
    run_id = client.post_run("diary", agent="shredder")["run_id"]
    first = named(collector.wait_for(run_id, "attempt 1"), "attempt 1")
    waiting = named(collector.of_run(run_id), "execute_tool shred")
    call_id = waiting["gen_ai.tool.call.id"]
    answer = client.http.post(f"/api/runs/{run_id}/approvals/{call_id}", json={"decision": "denied"})
    assert answer.status_code == 200

    client.follow(run_id)
    spans = collector.wait_for(run_id, "attempt 2", "follow run")

    second = named(spans, "attempt 2")
    assert (first["outloud.outcome"], first.status) == ("waiting", "unset")
    assert (second["outloud.outcome"], second.status) == ("completed", "unset")
    assert second.links == [first.span_id]
    assert [event.name for event in waiting.events] == ["waits_for_person"]
    denied = next(s for s in spans if s.name == "execute_tool shred" and s.span_id != waiting.span_id)
    assert (denied["outloud.tool.status"], denied.status) == ("denied", "unset")
    [decided] = [span for span in collector.spans if span.name.startswith("POST /api/runs/<run_id>/approvals/")]
    assert decided.links == [named(spans, PUBLISH).span_id]


def test_only_real_failures_are_errors(
    start_system: SystemFactory, collector: Collector, clients: list[Client]
) -> None:
    system = start_system(AGENTS=AGENTS, **collector.environment())
    client = connect(system, clients)
    failed = client.post_run("x", agent="fragile")["run_id"]
    stopped = client.post_run("x", agent="waiter")["run_id"]
    client.follow(failed)
    collector.wait_for(failed, "attempt 1", "follow run")
    wait_until(lambda: client.http.get(f"/api/runs/{stopped}").json()["last_seq"] >= 2)
    client.http.post(f"/api/runs/{stopped}/cancel")
    client.follow(stopped)

    bad = named(collector.wait_for(failed, "attempt 1"), "attempt 1")
    good = collector.wait_for(stopped, "attempt 1", "execute_tool wait_for_ever")

    assert (bad.status, bad["error.type"], bad["outloud.outcome"]) == ("error", "agent_error", "failed")
    assert (named(good, "attempt 1").status, named(good, "attempt 1")["outloud.outcome"]) == ("unset", "cancelled")
    assert {span.status for span in good} == {"unset"}


def test_the_last_spans_are_sent_at_the_end(
    start_system: SystemFactory, collector: Collector, clients: list[Client]
) -> None:
    settings = {**collector.environment(), "OTEL_BSP_SCHEDULE_DELAY": "600000", "OTEL_SERVICE_NAME": "mine"}
    system = start_system(AGENTS=AGENTS, **settings)
    client = connect(system, clients)
    run_id = client.post_run("3", agent="counter")["run_id"]
    client.follow(run_id)
    client.close()
    clients.clear()

    system.worker.terminate()
    system.web.terminate()

    spans = collector.wait_for(run_id, "attempt 1", "follow run", PUBLISH, "POST /api/runs")
    assert {span.service for span in spans} == {"mine"}


@pytest.mark.parametrize("kind", ["closed", "silent", "refusing"])
def test_a_collector_that_is_away_costs_only_its_spans(
    start_system: SystemFactory, collector: Collector, clients: list[Client], kind: str
) -> None:
    collector.status = 503
    endpoint = {
        "closed": f"http://127.0.0.1:{free_port()}",
        # Nobody answers there (RFC 5737).
        "silent": "http://192.0.2.1:4318",
        "refusing": collector.url,
    }[kind]
    soon = {"OTEL_BSP_SCHEDULE_DELAY": "50", "OTEL_EXPORTER_OTLP_TIMEOUT": "1"}
    system = start_system(AGENTS=AGENTS, OTEL_EXPORTER_OTLP_ENDPOINT=endpoint, **soon)
    client = connect(system, clients)
    seconds: list[float] = []
    for _ in range(10):
        began_at = time.monotonic()
        events = client.follow(client.post_run("2", agent="quick")["run_id"])
        seconds.append(time.monotonic() - began_at)
        assert events[-1]["type"] == "agent_completed"
    for process in (system.worker, system.web):
        wait_until(lambda process=process: "traces cannot be sent" in process.output)  # type: ignore[misc]
    client.close()
    clients.clear()
    began_at = time.monotonic()
    for process in (system.worker, system.web):
        process.send(signal.SIGTERM)
    codes = [process.wait(15) for process in (system.worker, system.web)]

    assert sorted(seconds)[5] < scaled(1)
    assert codes == [0, 0]
    assert time.monotonic() - began_at < scaled(10)
    for process in (system.worker, system.web):
        lines = [line for line in process.output.splitlines() if "urllib3" in line or "traces" in line]
        assert [json.loads(line)["message"] for line in lines] == ["traces are sent", "traces cannot be sent"]
        assert "Traceback" not in process.output


def test_without_an_address_nothing_is_traced(start_system: SystemFactory, clients: list[Client]) -> None:
    system = start_system(AGENTS=AGENTS)
    client = connect(system, clients)
    run_id = client.post_run("2", agent="counter")["run_id"]
    client.follow(run_id)

    assert "traces" not in system.worker.output + system.web.output
