"""What the router does to the application, and that it does no harm."""

from __future__ import annotations

import threading

import httpx
import pytest

from tests.staging.anywhere.test_events import SUM, stream
from tests.staging.idle import IdleSocket
from tests.staging.platform.platform import Platform
from tests.staging.platform.router import FIRST_BYTE_SECONDS, IDLE_SECONDS
from tests.staging.report.model import Report
from tests.support.client import Client, Event, assert_whole
from tests.support.waiting import wait_until


def test_a_story_is_whole_though_its_pieces_come_from_both_web_processes(client: Client, platform: Platform) -> None:
    before = platform.router.answers_by_slot("/ws")
    run_id = client.post_run("20 0.1", agent="walker")["run_id"]
    pieces: list[Event] = []
    for _ in range(6):
        pieces += client.follow(run_id, after=pieces[-1]["cursor"] if pieces else 0, at_most=4)
    pieces += client.follow(run_id, after=pieces[-1]["cursor"])

    assert_whole(pieces)
    sockets = platform.router.answers_by_slot("/ws") - before
    assert {member.slot for member in platform.formation.of("web")} == set(sockets)


def test_what_a_client_claims_to_be_forwarded_does_not_count(platform: Platform) -> None:
    claims = {"X-Forwarded-Proto": "http", "X-Forwarded-For": "203.0.113.9", "X-Forwarded-Host": "elsewhere.example"}
    with httpx.Client(base_url=platform.url, verify=platform.tls, headers=claims) as http:
        cookie = http.get("/api/session").headers["Set-Cookie"]
        answer = http.post("/api/runs", json={"message": SUM}, headers={"Origin": "https://elsewhere.example"})

    assert "Secure" in cookie
    assert answer.status_code == 403


@pytest.mark.timeout(150)
def test_a_socket_on_which_nothing_happens_outlives_the_routers_patience(
    idle_socket: IdleSocket, report: Report
) -> None:
    wait_until(lambda: idle_socket.seconds > IDLE_SECONDS + 15 or idle_socket.closed_by, 100, what="time has passed")

    assert idle_socket.closed_by == ""
    assert idle_socket.heartbeats >= 3
    report.figure(
        "Idle socket",
        f"open after {idle_socket.seconds:.0f} s",
        f"the router cuts one after {IDLE_SECONDS} s of silence",
    )


def test_a_stream_on_which_nothing_happens_outlives_it_as_well(client: Client) -> None:
    run_id = client.post_run("letter.txt", agent="shredder")["run_id"]
    asked = client.follow(run_id, at_most=4)[-1]
    assert asked["type"] == "approval_requested"
    decide = f"/api/runs/{run_id}/approvals/{asked['data']['call_id']}"
    # Nobody decides for longer than the router waits.
    decider = threading.Timer(FIRST_BYTE_SECONDS + 5, lambda: client.http.post(decide, json={"decision": "denied"}))
    decider.start()

    events = list(stream(client, run_id))

    decider.join()
    assert_whole(events)
    assert events[-1]["type"] == "agent_completed"
