"""A tool that a person must allow, through the processes of the Procfile."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis

from tests.support.client import Client, Event, assert_whole
from tests.support.redis import connect
from tests.support.system import System, running_system
from tests.support.waiting import wait_until


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    directory = tmp_path_factory.mktemp("approvals")
    with running_system(directory, {"AGENTS": "tests.support.agents", "AGENT_CONCURRENCY": "1"}) as running:
        yield running


@pytest.fixture
def client(system: System) -> Iterator[Client]:
    made = Client(system.url)
    yield made
    made.close()


def ask(client: Client, name: str = "the contract", *, agent: str = "shredder") -> tuple[str, str]:
    """Send a message whose agent wants to shred; answers the run and the call that waits."""
    run_id = client.post_run(name, agent=agent)["run_id"]
    wait_until(lambda: client.run(run_id)["state"] == "waiting")
    requested = events_of(client, run_id)[-1]
    assert requested["type"] == "approval_requested"
    return run_id, str(requested["data"]["call_id"])


def events_of(client: Client, run_id: str) -> list[Event]:
    found: list[Event] = client.http.get(f"/api/runs/{run_id}/events").json()["events"]
    return found


def decide(client: Client, run_id: str, call_id: str, decision: str, **fields: Any) -> None:
    body = {"decision": decision, **fields}
    client.http.post(f"/api/runs/{run_id}/approvals/{call_id}", json=body).raise_for_status()


def tool_events(events: list[Event]) -> list[str]:
    return [event["type"] for event in events if event["type"].startswith(("tool_", "approval_"))]


WHOLE = ["tool_executing", "approval_requested", "approval_resolved", "tool_completed"]


def test_a_call_runs_once_it_is_allowed_and_nothing_before_it_is_told_twice(client: Client) -> None:
    run_id, call_id = ask(client)
    waiting = events_of(client, run_id)
    decide(client, run_id, call_id, "approved")

    events = client.follow(run_id)

    assert_whole(events)
    assert tool_events(events) == WHOLE
    assert events[: len(waiting)] == waiting
    assert events[-1]["data"]["result"] == "Done: the contract is in shreds."
    assert "".join(event["data"]["text"] for event in events if event["type"] == "partial_result") == (
        "I would shred it. "
    )
    assert "run_resumed" not in [event["type"] for event in events]


def test_a_call_that_is_denied_does_not_run_and_its_agent_goes_on(client: Client) -> None:
    run_id, call_id = ask(client)
    decide(client, run_id, call_id, "denied")

    events = client.follow(run_id)

    assert_whole(events)
    assert tool_events(events) == WHOLE
    [completed] = [event for event in events if event["type"] == "tool_completed"]
    assert (completed["data"]["status"], completed["data"]["error"]["code"]) == ("denied", "denied")
    assert events[-1]["data"]["result"].startswith("Kept: A person did not allow shred")


def test_a_call_runs_with_the_arguments_that_the_person_has_changed(client: Client) -> None:
    run_id, call_id = ask(client)
    decide(client, run_id, call_id, "approved", arguments={"name": "the draft"})

    events = client.follow(run_id)

    assert events[-1]["data"]["result"] == "Done: the draft is in shreds."


def test_changed_arguments_that_do_not_fit_are_an_error_of_the_call(client: Client) -> None:
    run_id, call_id = ask(client)
    decide(client, run_id, call_id, "approved", arguments={"nome": "the draft"})

    events = client.follow(run_id)

    assert_whole(events)
    [completed] = [event for event in events if event["type"] == "tool_completed"]
    assert (completed["data"]["status"], completed["data"]["error"]["code"]) == ("error", "invalid_arguments")
    assert events[-1]["type"] == "agent_completed"


def test_a_call_of_an_agent_inside_another_one_waits_and_goes_on_likewise(client: Client) -> None:
    run_id, call_id = ask(client, agent="janitor")
    decide(client, run_id, call_id, "approved")

    events = client.follow(run_id)

    assert_whole(events)
    assert [event["type"] for event in events].count("agent_started") == 2
    assert events[-1]["data"]["result"] == "I was told: Done: the contract is in shreds."


def test_a_run_that_waits_for_a_person_takes_no_place_in_a_worker(client: Client) -> None:
    """There is only one, and three runs wait."""
    waiting = [ask(client) for _ in range(3)]

    events = client.follow(client.post_run("go", agent="quick")["run_id"])

    assert events[-1]["data"]["result"] == "It is 3."
    for run_id, _ in waiting:
        assert client.cancel(run_id)["state"] == "cancelled"
        stopped = client.follow(run_id)
        assert_whole(stopped)
        assert [event["data"]["status"] for event in stopped if event["type"] == "tool_completed"] == ["cancelled"]


def test_nobody_decides_in_time(tmp_path_factory: pytest.TempPathFactory) -> None:
    settings = {"AGENTS": "tests.support.agents", "APPROVAL_SECONDS": "1"}
    with running_system(tmp_path_factory.mktemp("expiry"), settings) as system:
        client = Client(system.url)

        events = client.follow(client.post_run("the contract", agent="shredder")["run_id"])

        assert_whole(events)
        assert tool_events(events) == WHOLE
        [resolved] = [event for event in events if event["type"] == "approval_resolved"]
        assert (resolved["data"]["decision"], resolved["data"]["by"]) == ("expired", "")
        assert events[-1]["data"]["result"].startswith("Kept: Nobody allowed shred in time")
        client.close()


def _kill(system: System) -> None:
    for process in (system.worker, system.web):
        process.kill()
    system.redis.kill()


def _stop(system: System) -> None:
    for process in (system.worker, system.web):
        process.terminate(30)
    system.redis.stop()


def _wait_until_synced(system: System) -> None:
    """Until the server has on its disk what it holds now, if it can say so."""
    untyped: Any
    with connect(system.redis_url) as untyped, contextlib.suppress(redis.ResponseError):
        untyped.execute_command("WAITAOF", 1, 0, 5_000)


@pytest.mark.parametrize("end", [_stop, _kill])
def test_an_approval_outlives_a_restart_of_everything(
    start_system: Callable[..., System], end: Callable[[System], None]
) -> None:
    system = start_system(AGENTS="tests.support.agents")
    client = Client(system.url)
    run_id, call_id = ask(client)
    before = events_of(client, run_id)
    port = system.ports[system.web.pid]
    _wait_until_synced(system)

    end(system)
    system.redis.start()
    system.start_worker()
    system.start_web(port=port)

    assert events_of(client, run_id) == before
    assert client.http.get(f"/api/runs/{run_id}/approvals/{call_id}").json()["arguments"] == {"name": "the contract"}
    decide(client, run_id, call_id, "approved")
    events = client.follow(run_id)
    assert_whole(events)
    assert tool_events(events) == WHOLE
    assert events[-1]["data"]["result"] == "Done: the contract is in shreds."
    client.close()
