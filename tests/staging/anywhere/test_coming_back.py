"""Whoever leaves and comes back, late or often, to whichever process, has the same story."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from tests.staging.anywhere.test_events import QUESTION, SALES, SUM, page, upload
from tests.support.client import Client, Event, assert_whole
from tests.support.waiting import wait_until


def test_a_viewer_whose_link_is_cut_again_and_again_misses_and_repeats_nothing(client: Client) -> None:
    upload(client, "sales.csv", SALES, "text/csv")
    run_id = client.post_run(QUESTION)["run_id"]
    with ThreadPoolExecutor(1) as pool:
        undisturbed = pool.submit(client.follow, run_id)
        pieces: list[Event] = []
        for _ in range(12):
            pieces += client.follow(run_id, after=pieces[-1]["cursor"] if pieces else 0, at_most=3)
        if not pieces[-1]["terminal"]:
            pieces += client.follow(run_id, after=pieces[-1]["cursor"])

    assert_whole(pieces)
    assert pieces == undisturbed.result()


def test_who_comes_after_the_end_sees_all_of_it(client: Client) -> None:
    run_id = client.post_run(SUM)["run_id"]
    live = client.follow(run_id)

    assert client.follow(run_id) == live
    assert page(client, run_id) == live


def test_the_thread_remembers_what_was_asked_and_how_it_ended(client: Client) -> None:
    first = client.post_run(SUM)
    client.follow(first["run_id"])
    second = client.post_run("And 18 % of it?", thread_id=first["thread_id"])
    client.follow(second["run_id"])

    thread = client.http.get(f"/api/threads/{first['thread_id']}").raise_for_status().json()

    assert [run["message"] for run in thread["runs"]] == [SUM, "And 18 % of it?"]
    assert [run["state"] for run in thread["runs"]] == ["completed", "completed"]


def test_one_message_sent_thrice_with_one_key_is_one_run(client: Client) -> None:
    run_ids = {client.post_run(SUM, idempotency_key="a click and two more")["run_id"] for _ in range(3)}

    assert len(run_ids) == 1
    assert_whole(client.follow(run_ids.pop()))


def test_a_stop_ends_the_run_soon_and_for_good(client: Client) -> None:
    upload(client, "sales.csv", SALES, "text/csv")
    run_id = client.post_run(QUESTION)["run_id"]
    client.follow(run_id, at_most=3)

    client.cancel(run_id)
    events = client.follow(run_id)

    assert_whole(events)
    assert events[-1]["type"] == "agent_cancelled"
    assert client.run(run_id)["state"] == "cancelled"


def test_the_outcome_counts_as_seen_once_it_was_shown(client: Client) -> None:
    run_id = client.post_run(SUM)["run_id"]
    events = client.follow(run_id)
    assert not client.http.get(f"/api/runs/{run_id}/delivery").json()["outcome_seen"]

    with client.socket() as socket:
        socket.send(f'{{"op": "subscribe", "run_id": "{run_id}", "after": 0}}')
        for event in client.events(socket):
            if event["terminal"]:
                socket.send(f'{{"op": "ack", "run_id": "{run_id}", "seq": {events[-1]["seq"]}}}')
                break
        wait_until_seen(client, run_id)


def wait_until_seen(client: Client, run_id: str) -> None:
    wait_until(lambda: client.http.get(f"/api/runs/{run_id}/delivery").json()["outcome_seen"], what="the receipt")
