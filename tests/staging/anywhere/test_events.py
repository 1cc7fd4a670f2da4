"""Every path to an agent and from it shows the five events, in order and alike."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import httpx
import pytest

from tests.staging.target import Target
from tests.support.client import Client, Event, assert_whole

FIVE = ["agent_started", "agent_thinking", "tool_executing", "tool_completed", "agent_completed"]
SALES = b"region,quarter,revenue\nNorth,2025-Q1,100\nSouth,2025-Q1,200\nNorth,2025-Q2,130\nSouth,2025-Q2,90\n"
QUESTION = "Which region lost most revenue, and what should we do?"
SUM = "What is 17 % of 2,340?"

#: A message for each built-in agent, and whether it needs a tool for it. The last three work on what others find.
CREW = {
    "triage": (SUM, True),
    "data": ("Which region lost most revenue?", True),
    "data_helper": ("What data is missing?", True),
    "synthetic_data": ("Generate sample data about sales with 50 rows", True),
    "corpus_admin": ("Search my documents for refunds", True),
    "optimization": (QUESTION, False),
    "actions": (QUESTION, False),
    "reporting": (QUESTION, False),
}


@pytest.fixture
def analyst(client: Client) -> Client:
    """Somebody who has uploaded a table and a document."""
    upload(client, "sales.csv", SALES, "text/csv")
    upload(client, "refunds.md", b"# Refunds\nRefunds are paid within 14 days.\n", "text/markdown")
    return client


def upload(client: Client, name: str, content: bytes, kind: str) -> None:
    answer = client.http.post("/api/files", files={"file": (name, content, kind)})
    assert answer.status_code == 201, answer.text


@pytest.mark.parametrize("agent", CREW)
def test_each_agent_that_is_asked_by_name_is_seen_from_start_to_end(
    analyst: Client, target: Target, agent: str
) -> None:
    message, needs_a_tool = CREW[agent]

    events = analyst.follow(analyst.post_run(message, agent=agent)["run_id"])

    assert_whole(events)
    assert (events[0]["type"], events[0]["agent_name"]) == ("agent_started", agent)
    assert events[-1]["type"] == "agent_completed"
    # A real model thinks and uses tools as it likes.
    if target.catalogue["offline"]:
        assert in_order(events, FIVE if needs_a_tool else [FIVE[0], FIVE[1], FIVE[4]])


def test_a_message_that_names_no_agent_goes_through_the_whole_crew(analyst: Client, target: Target) -> None:
    events = analyst.follow(analyst.post_run(QUESTION)["run_id"])

    assert_whole(events)
    assert events[-1]["type"] == "agent_completed"
    if target.catalogue["offline"]:
        agents = {event["agent_call_id"]: event["agent_name"] for event in events}
        assert {"triage", "data", "optimization", "actions", "reporting"} <= set(agents.values())
        for call_id, name in agents.items():
            own = [event for event in events if event["agent_call_id"] == call_id]
            assert in_order(own, FIVE if name != "reporting" else [FIVE[0], FIVE[1], FIVE[4]]), name
        assert "South" in events[-1]["data"]["result"]


def test_every_tool_call_begins_before_it_ends_and_says_how(analyst: Client) -> None:
    events = analyst.follow(analyst.post_run(QUESTION)["run_id"])

    begun: set[str] = set()
    for event in events:
        if event["type"] == "tool_executing":
            begun.add(event["data"]["call_id"])
        elif event["type"] == "tool_completed":
            begun.remove(event["data"]["call_id"])
            assert event["data"]["status"] in ("ok", "error")
            assert event["data"]["duration_ms"] >= 0
    assert begun == set()


def test_socket_stream_and_page_tell_the_same_story(client: Client) -> None:
    run_id = client.post_run(SUM)["run_id"]

    streamed = list(stream(client, run_id))
    followed = client.follow(run_id)

    assert_whole(followed)
    assert in_order(followed, [FIVE[0], FIVE[4]])
    assert streamed == followed
    assert page(client, run_id) == followed


def test_a_stream_goes_on_after_the_event_that_was_seen_last(client: Client) -> None:
    run_id = client.post_run(SUM)["run_id"]
    whole = client.follow(run_id)

    rest = list(stream(client, run_id, last_seen=whole[2]["cursor"]))

    assert rest == whole[3:]


def in_order(events: Sequence[Event], wanted: Sequence[str]) -> bool:
    """Whether these types come in this order, with others between."""
    types = iter(event["type"] for event in events)
    return all(kind in types for kind in wanted)


def page(client: Client, run_id: str) -> list[Event]:
    """The events as JSON."""
    answer: dict[str, Any] = client.http.get(f"/api/runs/{run_id}/events").raise_for_status().json()
    assert not answer["more"]
    return list(answer["events"])


def stream(client: Client, run_id: str, *, last_seen: str = "") -> Iterator[Event]:
    """The events as Server-Sent Events, to the end."""
    headers = {"Accept": "text/event-stream", **({"Last-Event-ID": last_seen} if last_seen else {})}
    with client.http.stream("GET", f"/api/runs/{run_id}/events", headers=headers, timeout=60) as answer:
        assert answer.status_code == 200
        yield from _parse(answer)


def _parse(answer: httpx.Response) -> Iterator[Event]:
    cursor = ""
    for line in answer.iter_lines():
        name, _, value = line.partition(": ")
        if name == "id":
            cursor = value
        elif name == "data":
            event = json.loads(value)
            assert event["cursor"] == cursor
            yield event
