"""What belongs to one user is not there for another."""

from __future__ import annotations

import json

import pytest

from tests.staging.anywhere.test_events import SALES, SUM, upload
from tests.support.client import Client


@pytest.mark.parametrize(
    "path", ["", "/events", "/delivery", "/tool_calls/a1.t1/result", "/approvals/a1.t1"], ids=lambda path: path or "run"
)
def test_nothing_of_a_run_is_shown_to_a_stranger(client: Client, stranger: Client, path: str) -> None:
    run_id = client.post_run(SUM)["run_id"]
    client.follow(run_id)

    answer = stranger.http.get(f"/api/runs/{run_id}{path}")

    assert answer.status_code == 404
    assert run_id not in answer.text


def test_a_stranger_can_neither_stop_a_run_nor_decide_for_its_owner(client: Client, stranger: Client) -> None:
    run_id = client.post_run(SUM)["run_id"]

    stopped = stranger.http.post(f"/api/runs/{run_id}/cancel")
    decided = stranger.http.post(f"/api/runs/{run_id}/approvals/a1.t1", json={"decision": "approved"})

    assert (stopped.status_code, decided.status_code) == (404, 404)
    assert client.follow(run_id)[-1]["type"] == "agent_completed"


def test_a_stranger_cannot_follow_a_run(client: Client, stranger: Client) -> None:
    run_id = client.post_run(SUM)["run_id"]

    with stranger.socket() as socket:
        socket.send(json.dumps({"op": "subscribe", "run_id": run_id, "after": 0}))
        answer = json.loads(socket.recv(timeout=10))

    assert (answer["op"], answer["code"]) == ("error", "not_found")


def test_threads_are_their_owners(client: Client, stranger: Client) -> None:
    thread_id = client.post_run(SUM)["thread_id"]

    seen = stranger.http.get(f"/api/threads/{thread_id}")
    written = stranger.http.post("/api/runs", json={"message": "mine too", "thread_id": thread_id})
    removed = stranger.http.delete(f"/api/threads/{thread_id}")

    assert [answer.status_code for answer in (seen, written, removed)] == [404, 404, 404]
    assert stranger.http.get("/api/threads").json()["threads"] == []
    assert client.http.get(f"/api/threads/{thread_id}").status_code == 200


def test_files_are_their_owners(client: Client, stranger: Client) -> None:
    upload(client, "sales.csv", SALES, "text/csv")
    (file,) = client.http.get("/api/files").json()["files"]

    removed = stranger.http.delete(f"/api/files/{file['file_id']}")

    assert stranger.http.get("/api/files").json()["files"] == []
    assert removed.status_code == 404
    assert len(client.http.get("/api/files").json()["files"]) == 1


def test_two_users_have_two_names(client: Client, stranger: Client) -> None:
    assert client.user_id != stranger.user_id
