"""Runs from message to last event, through the processes of the Procfile, seen by a client that is not ours."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest

from tests.support.client import Client, assert_whole
from tests.support.system import System, running_system
from tests.support.waiting import scaled, wait_until

FIVE = ["agent_started", "agent_thinking", "tool_executing", "tool_completed", "agent_completed"]


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    with running_system(tmp_path_factory.mktemp("runs"), {"AGENTS": "tests.support.agents"}) as running:
        yield running


@pytest.fixture
def client(system: System) -> Iterator[Client]:
    made = Client(system.url)
    yield made
    made.close()


def test_the_five_events_arrive_in_order(client: Client) -> None:
    events = client.follow(client.post_run("go", agent="quick")["run_id"])

    assert_whole(events)
    assert [event["type"] for event in events] == FIVE
    assert events[-1]["data"]["result"] == "It is 3."


def test_a_client_that_cuts_its_connection_20_times_ends_with_the_same_list(client: Client) -> None:
    run_id = client.post_run("60", agent="counter")["run_id"]
    with ThreadPoolExecutor(1) as pool:
        undisturbed = pool.submit(client.follow, run_id)
        pieces = []
        cursor: str | int = 0
        for _ in range(20):
            piece = client.follow(run_id, after=cursor, at_most=2)
            pieces += piece
            if piece:
                cursor = piece[-1]["cursor"]
        if not pieces[-1]["terminal"]:
            pieces += client.follow(run_id, after=cursor)

    assert_whole(pieces)
    assert pieces == undisturbed.result()


def test_a_late_subscriber_gets_the_whole_story(client: Client) -> None:
    run_id = client.post_run("20", agent="counter")["run_id"]
    live = client.follow(run_id)

    assert_whole(live)
    assert client.follow(run_id) == live


def test_every_tool_call_is_closed_whatever_the_tool_does(client: Client) -> None:
    run_id = client.post_run("go", agent="clumsy")["run_id"]
    events = client.follow(run_id)

    assert_whole(events)
    ended = {event["data"]["tool_name"]: event["data"] for event in events if event["type"] == "tool_completed"}
    assert {name: data["status"] for name, data in ended.items()} == {
        "explode": "error",
        "oversleep": "error",
        "flood": "ok",
        "scribble": "error",
    }
    assert "the fuse is lit" in ended["explode"]["error"]["message"]
    assert ended["flood"]["truncated"]
    whole = client.http.get(f"/api/runs/{run_id}/tool_calls/{ended['flood']['call_id']}/result")
    assert len(whole.content) == ended["flood"]["result_bytes"] == 5_000_002


def test_an_agent_that_raises_ends_as_failed(client: Client) -> None:
    events = client.follow(client.post_run("go", agent="fragile")["run_id"])

    assert_whole(events)
    assert events[-1]["type"] == "agent_failed"
    assert "nothing works today" in events[-1]["data"]["error"]["message"]


def test_a_delegated_agent_is_seen_inside_its_run(client: Client) -> None:
    events = client.follow(client.post_run("go", agent="boss")["run_id"])

    assert_whole(events)
    assert [event["type"] for event in events if event["parent_call_id"] == "a1"] == FIVE


def test_a_running_run_stops_inside_2_seconds_in_the_middle_of_a_tool(client: Client) -> None:
    run_id = client.post_run("go", agent="waiter")["run_id"]
    client.follow(run_id, at_most=4)

    asked = time.monotonic()
    answer = client.cancel(run_id)
    events = client.follow(run_id)

    assert time.monotonic() - asked < scaled(2)
    assert answer["stopping"] or answer["state"] == "cancelled"
    assert_whole(events)
    assert events[-1]["type"] == "agent_cancelled"
    assert [event["data"]["status"] for event in events if event["type"] == "tool_completed"] == ["cancelled"]
    assert client.run(run_id)["state"] == "cancelled"


def test_a_run_stops_in_the_middle_of_its_answer(client: Client) -> None:
    run_id = client.post_run("5000", agent="counter")["run_id"]
    client.follow(run_id, at_most=5)

    client.cancel(run_id)
    events = client.follow(run_id)

    assert_whole(events)
    assert events[-1]["type"] == "agent_cancelled"


def test_50_runs_at_once_in_one_worker_all_finish(client: Client, system: System) -> None:
    people = [Client(system.url) for _ in range(5)]
    with ThreadPoolExecutor(10) as pool:
        posted = list(pool.map(lambda n: (people[n % 5], people[n % 5].post_run("30", agent="counter")), range(50)))
        stories = list(pool.map(lambda pair: pair[0].follow(pair[1]["run_id"]), posted))

    for story in stories:
        assert_whole(story)
        assert story[-1]["type"] == "agent_completed"
    for person in people:
        person.close()


def test_a_second_message_of_a_thread_belongs_to_it(client: Client) -> None:
    first = client.post_run("go", agent="quick")
    client.follow(first["run_id"])
    second = client.post_run("again", agent="quick", thread_id=first["thread_id"])
    client.follow(second["run_id"])

    thread = client.http.get(f"/api/threads/{first['thread_id']}").json()

    assert [run["message"] for run in thread["runs"]] == ["go", "again"]
    assert [run["state"] for run in thread["runs"]] == ["completed", "completed"]


def test_messages_of_a_thread_are_answered_one_after_another(client: Client) -> None:
    first = client.post_run("40", agent="counter")
    client.follow(first["run_id"], at_most=3)
    thread_id = first["thread_id"]
    later = [client.post_run("go", agent="quick", thread_id=thread_id) for _ in range(3)]

    stories = [client.follow(run["run_id"]) for run in (first, *later)]

    assert [run["ahead"] for run in (first, *later)] == [0, 1, 2, 3]
    for before, after in pairwise(stories):
        assert_whole(after)
        assert before[-1]["type"] == "agent_completed"
        assert before[-1]["at"] <= after[0]["at"]


def test_a_message_that_interrupts_stops_the_answer_that_is_being_given(client: Client) -> None:
    first = client.post_run("5000", agent="counter")
    client.follow(first["run_id"], at_most=3)
    queued = client.post_run("go", agent="quick", thread_id=first["thread_id"])

    asked = time.monotonic()
    second = client.post_run("go", agent="quick", thread_id=first["thread_id"], when_busy="interrupt")
    answer = client.follow(second["run_id"])

    assert time.monotonic() - asked < scaled(3)
    assert answer[-1]["data"]["result"] == "It is 3."
    for run in (first, queued):
        stopped = client.follow(run["run_id"])
        assert_whole(stopped)
        assert stopped[-1]["type"] == "agent_cancelled"


def test_a_message_that_does_not_wait_is_refused_while_an_answer_is_being_given(client: Client) -> None:
    first = client.post_run("5000", agent="counter")
    client.follow(first["run_id"], at_most=3)
    body = {"message": "go", "agent": "quick", "thread_id": first["thread_id"], "when_busy": "reject"}

    answer = client.http.post("/api/runs", json=body)

    assert answer.status_code == 409
    assert answer.json()["error"]["code"] == "thread_busy"
    client.cancel(first["run_id"])
    client.follow(first["run_id"])
    assert client.http.post("/api/runs", json=body).status_code == 202


def test_nobody_sees_another_users_run(client: Client, system: System) -> None:
    run_id = client.post_run("go", agent="quick")["run_id"]
    client.follow(run_id)
    stranger = Client(system.url)
    stranger.post_run("mine", agent="quick")

    answers = [stranger.http.get(f"/api/runs/{run}") for run in (run_id, "run_" + "0" * 32)]

    assert [answer.status_code for answer in answers] == [404, 404]
    assert answers[0].json()["error"]["code"] == answers[1].json()["error"]["code"]
    with pytest.raises(AssertionError, match="not_found"):
        stranger.follow(run_id)
    stranger.close()


def test_a_queued_run_stops_at_once_with_a_whole_story(tmp_path_factory: pytest.TempPathFactory) -> None:
    directory = tmp_path_factory.mktemp("queued")
    with running_system(directory, {"AGENTS": "tests.support.agents", "AGENT_CONCURRENCY": "1"}) as busy:
        client = Client(busy.url)
        first = client.post_run("go", agent="waiter")["run_id"]
        client.follow(first, at_most=3)
        queued = client.post_run("go", agent="quick")["run_id"]
        wait_until(lambda: client.run(queued)["state"] == "queued")

        assert client.cancel(queued)["state"] == "cancelled"

        events = client.follow(queued)
        assert_whole(events)
        assert [event["type"] for event in events] == ["agent_started", "agent_cancelled"]
        client.cancel(first)
        client.close()
