"""Who has shown what of a run: the rules on a real Redis, and acks through a real gunicorn."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from flask.testing import FlaskClient

from tests.support.redis import RedisServer, connect, new_server
from tests.support.relay import RETENTION_MS, USER, Browser, RelayServer, RunWriter, running_relay
from tests.support.waiting import wait_until
from worker.contract import keys, scripts

TAB = "00000000000000a1"


@pytest.fixture(scope="module")
def relay(redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RelayServer]:
    with running_relay(redis_server.url, tmp_path_factory.mktemp("relay")) as server:
        yield server


@pytest.fixture
def run(redis_client: redis.Redis) -> RunWriter:
    return RunWriter(redis_client).start()


def ack(client: redis.Redis, run: RunWriter, seq: int, *, viewer: str = TAB, user: str = USER) -> Any:
    call = scripts.ack(run.run_id, user_id=user, viewer=viewer, seq=seq)
    return client.eval(call.script.source, len(call.keys), *call.keys, *call.args)


def shown(client: redis.Redis, run: RunWriter) -> dict[str, int]:
    """By viewer: how far it has shown the run."""
    stored: Any = client.hgetall(keys.delivery(run.run_id))
    return {viewer: int(value.split()[0]) for viewer, value in stored.items()}


def outcome_seen_at(client: redis.Redis, run: RunWriter) -> int:
    value: Any = client.hget(keys.run(run.run_id), "outcome_seen_at")
    return int(value or 0)


def test_what_each_viewer_has_shown_is_kept_and_only_grows(redis_client: redis.Redis, run: RunWriter) -> None:
    run.say(9)

    for viewer, seq in (("one", 3), ("two", 5), ("one", 7), ("two", 4), ("one", 0)):
        assert ack(redis_client, run, seq, viewer=viewer) == "open"

    assert shown(redis_client, run) == {"one": 7, "two": 5}


def test_nobody_has_been_shown_more_than_there_is(redis_client: redis.Redis, run: RunWriter) -> None:
    run.say(3)

    assert ack(redis_client, run, 10**15) == "open"
    assert shown(redis_client, run) == {TAB: 4}

    run.finish()
    assert outcome_seen_at(redis_client, run) == 0
    assert ack(redis_client, run, 4) == "open"


def test_the_outcome_is_seen_with_the_last_event_of_a_finished_run_and_keeps_its_time(
    redis_client: redis.Redis, run: RunWriter
) -> None:
    run.say(3).finish()
    assert ack(redis_client, run, 4, viewer="one") == "open"

    assert ack(redis_client, run, 5, viewer="one") == "seen"

    first = outcome_seen_at(redis_client, run)
    assert abs(first - time.time() * 1000) < 60_000
    wait_until(lambda: time.time() * 1000 > first + 2)
    assert ack(redis_client, run, 5, viewer="two") == "seen"
    assert outcome_seen_at(redis_client, run) == first


def test_an_ack_of_an_absent_run_or_another_users_writes_nothing(redis_client: redis.Redis, run: RunWriter) -> None:
    run.finish()

    assert ack(redis_client, run, 2, user="usr_thief") == "missing"
    before = redis_client.keys()
    redis_client.delete(keys.run(run.run_id))
    assert ack(redis_client, run, 2) == "missing"

    assert outcome_seen_at(redis_client, run) == 0
    assert set(redis_client.keys()) == set(before) - {keys.run(run.run_id)}
    assert keys.delivery(run.run_id) not in before


def test_after_a_hundred_viewers_another_changes_only_whether_the_outcome_was_seen(
    redis_client: redis.Redis, run: RunWriter
) -> None:
    run.say()
    for number in range(scripts.MAX_VIEWERS):
        ack(redis_client, run, 1, viewer=f"tab{number}")
    run.finish()

    assert ack(redis_client, run, 3, viewer="one more") == "seen"
    assert ack(redis_client, run, 2, viewer="tab7") == "seen"

    stored = shown(redis_client, run)
    assert len(stored) == scripts.MAX_VIEWERS
    assert "one more" not in stored
    assert stored["tab7"] == 2


@pytest.mark.parametrize("acked", ["before the end", "after it"])
def test_receipts_live_as_long_as_their_run(redis_client: redis.Redis, run: RunWriter, acked: str) -> None:
    if acked == "before the end":
        ack(redis_client, run, 1)
        assert redis_client.pttl(keys.delivery(run.run_id)) == -1
        run.finish()
    else:
        run.finish()
        ack(redis_client, run, 2)

    life: Any = redis_client.pttl(keys.delivery(run.run_id))
    assert RETENTION_MS - 60_000 < life <= RETENTION_MS


def test_a_page_s_acks_are_kept_under_its_own_name(
    relay: RelayServer, redis_client: redis.Redis, run: RunWriter
) -> None:
    run.say(4)
    with relay.connect(viewer=TAB) as browser:
        browser.subscribe(run.run_id).read_until("live")
        browser.send({"op": "ack", "run_id": run.run_id, "seq": 3})
        wait_until(lambda: shown(redis_client, run) == {TAB: 3})
    with relay.connect(viewer=TAB) as browser:
        browser.subscribe(run.run_id).read_until("live")
        browser.send({"op": "ack", "run_id": run.run_id, "seq": 5})

        wait_until(lambda: shown(redis_client, run) == {TAB: 5})


@pytest.mark.parametrize("viewer", ["", "A" * 16, "0" * 15, "0" * 17, "00000000000000a1\n", "../../etc/passwd"])
def test_a_name_that_is_none_is_passed_over_and_the_socket_gets_one(
    relay: RelayServer, redis_client: redis.Redis, run: RunWriter, viewer: str
) -> None:
    for _ in range(2):
        with relay.connect(viewer=viewer) as browser:
            acknowledge(browser, run, 1)

    wait_until(lambda: len(shown(redis_client, run)) == 2)
    assert all(len(name) == 16 and int(name, 16) >= 0 for name in shown(redis_client, run))


def test_a_page_that_leaves_with_its_last_ack_has_shown_the_outcome(
    relay: RelayServer, redis_client: redis.Redis, run: RunWriter
) -> None:
    with relay.connect(viewer=TAB) as browser:
        browser.subscribe(run.run_id).read_until("live")
        run.say(3).finish()
        browser.read_until_seq(run.run_id, 5)

        browser.send({"op": "ack", "run_id": run.run_id, "seq": 5})
        browser.send({"op": "unsubscribe", "run_id": run.run_id})

        wait_until(lambda: outcome_seen_at(redis_client, run) > 0)
        assert shown(redis_client, run) == {TAB: 5}


def test_a_tab_that_comes_to_a_finished_story_counts_as_well(
    relay: RelayServer, redis_client: redis.Redis, run: RunWriter
) -> None:
    run.say(3).finish()
    with relay.connect() as browser:
        browser.subscribe(run.run_id).read_until("live")
        assert outcome_seen_at(redis_client, run) == 0

        browser.send({"op": "ack", "run_id": run.run_id, "seq": 5})

        wait_until(lambda: outcome_seen_at(redis_client, run) > 0)


def test_a_page_that_read_the_story_elsewhere_may_come_only_to_ack_it(
    relay: RelayServer, redis_client: redis.Redis, run: RunWriter
) -> None:
    run.say(3).finish()
    with relay.connect(viewer=TAB) as browser:
        browser.subscribe(run.run_id, run.cursors[-1])
        browser.send({"op": "ack", "run_id": run.run_id, "seq": 5})
        browser.send({"op": "unsubscribe", "run_id": run.run_id})

        wait_until(lambda: outcome_seen_at(redis_client, run) > 0)


def test_a_socket_acks_only_the_runs_that_it_follows_and_that_are_its_users(
    relay: RelayServer, redis_client: redis.Redis, run: RunWriter
) -> None:
    run.finish()
    other = RunWriter(redis_client).start().finish()
    with relay.connect(user="usr_thief") as thief, relay.connect() as browser:
        thief.subscribe(run.run_id)
        thief.send({"op": "ack", "run_id": run.run_id, "seq": 2})
        thief.read_until("error", run_id=run.run_id)
        thief.send({"op": "ack", "run_id": run.run_id, "seq": 2})
        browser.send({"op": "ack", "run_id": run.run_id, "seq": 2})
        browser.subscribe(run.run_id).read_until("live")
        browser.send({"op": "unsubscribe", "run_id": run.run_id})
        browser.send({"op": "ack", "run_id": run.run_id, "seq": 2})
        acknowledge(browser, other, 2)
        wait_until(lambda: outcome_seen_at(redis_client, other) > 0)

    assert shown(redis_client, run) == {}
    assert outcome_seen_at(redis_client, run) == 0


def test_acks_wait_for_a_redis_that_is_away(tmp_path: Path) -> None:
    server = new_server(tmp_path / "redis")
    server.start()
    try:
        with running_relay(server.url, tmp_path) as relay, relay.connect(viewer=TAB) as browser:
            with connect(server.url) as client:
                run = RunWriter(client).start().finish()
                browser.subscribe(run.run_id).read_until_seq(run.run_id, 2)
            server.stop()
            browser.send({"op": "ack", "run_id": run.run_id, "seq": 2})
            wait_until(lambda: "acks wait" in relay.process.output)
            server.start()

            with connect(server.url) as client:
                wait_until(lambda: outcome_seen_at(client, run) > 0, 20)
    finally:
        server.stop()


def test_acks_that_come_right_before_a_stop_are_stored(
    redis_url: str, redis_client: redis.Redis, tmp_path: Path
) -> None:
    run = RunWriter(redis_client).start().finish()
    with running_relay(redis_url, tmp_path) as relay:
        browser = relay.connect(viewer=TAB)
        browser.subscribe(run.run_id).read_until_seq(run.run_id, 2)
        browser.send({"op": "ack", "run_id": run.run_id, "seq": 2})
        assert browser.socket.ping().wait(5)

        relay.process.send(signal.SIGTERM)

        browser.read_to_end()
        assert relay.process.wait() == 0
    assert shown(redis_client, run) == {TAB: 2}


def test_a_flood_of_acks_costs_one_entry_and_delays_no_event(
    relay: RelayServer, redis_client: redis.Redis, run: RunWriter
) -> None:
    run.say(40)
    with relay.connect(viewer=TAB) as browser:
        browser.subscribe(run.run_id).read_until("live")
        for seq in range(1, 41):
            browser.send({"op": "ack", "run_id": run.run_id, "seq": seq})
        run.say()

        browser.read_until_seq(run.run_id, 42, deadline=2)
        wait_until(lambda: shown(redis_client, run) == {TAB: 40})


def test_a_user_can_ask_who_has_shown_what(browser: FlaskClient, redis_client: redis.Redis) -> None:
    run = RunWriter(redis_client, user_id=user_of(browser)).start().say(2)
    ack(redis_client, run, 2, viewer="first", user=user_of(browser))
    assert delivery(browser, run) == {
        "run_id": run.run_id,
        "state": "running",
        "last_seq": 3,
        "outcome_seen": False,
        "outcome_seen_at": 0,
        "viewers": [{"viewer": "first", "seq": 2, "at": at(redis_client, run, "first"), "seen_outcome": False}],
    }

    run.finish()
    wait_until(lambda: time.time() * 1000 > at(redis_client, run, "first") + 1)
    ack(redis_client, run, 4, viewer="second", user=user_of(browser))

    answer = delivery(browser, run)
    assert (answer["state"], answer["last_seq"], answer["outcome_seen"]) == ("completed", 4, True)
    assert answer["outcome_seen_at"] == at(redis_client, run, "second")
    assert [(place["viewer"], place["seq"], place["seen_outcome"]) for place in answer["viewers"]] == [
        ("second", 4, True),
        ("first", 2, False),
    ]
    assert browser.get(f"/api/runs/{run.run_id}").get_json()["outcome_seen_at"] == answer["outcome_seen_at"]


def test_a_run_that_nobody_has_shown_has_an_empty_list(browser: FlaskClient, redis_client: redis.Redis) -> None:
    run = RunWriter(redis_client, user_id=user_of(browser)).start().finish()

    answer = delivery(browser, run)

    assert (answer["outcome_seen"], answer["viewers"]) == (False, [])


def test_receipts_of_someone_elses_run_look_like_those_of_an_absent_one(
    browser: FlaskClient, redis_client: redis.Redis
) -> None:
    run = RunWriter(redis_client).start().finish()

    answers = [browser.get(f"/api/runs/{run_id}/delivery") for run_id in (run.run_id, "run_none")]

    assert [answer.status_code for answer in answers] == [404, 404]
    assert answers[0].data == answers[1].data


def acknowledge(browser: Browser, run: RunWriter, seq: int) -> None:
    browser.subscribe(run.run_id).read_until("live")
    browser.send({"op": "ack", "run_id": run.run_id, "seq": seq})
    assert browser.socket.ping().wait(5)


def user_of(browser: FlaskClient) -> str:
    return str(browser.get("/api/session").get_json()["user_id"])


def delivery(browser: FlaskClient, run: RunWriter) -> Any:
    return browser.get(f"/api/runs/{run.run_id}/delivery").get_json()


def at(client: redis.Redis, run: RunWriter, viewer: str) -> int:
    value: Any = client.hget(keys.delivery(run.run_id), viewer)
    return int(value.split()[1])
