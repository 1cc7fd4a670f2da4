"""Every event, in order, once, whatever happens on the way: real gunicorn, real Redis, the contract's own scripts."""

from __future__ import annotations

import random
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path

import pytest
import redis

from tests.support.redis import RedisServer, connect, new_server
from tests.support.relay import Browser, RelayServer, RunWriter, cursors, running_relay
from tests.support.waiting import scaled, wait_until
from worker.contract import keys

QUICK = '{"audit_seconds": 0.3, "heartbeat_seconds": 0.5, "probe_seconds": 0.3}'


@pytest.fixture(scope="module")
def relay(redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RelayServer]:
    with running_relay(redis_server.url, tmp_path_factory.mktemp("relay"), RELAY_LIMITS=QUICK) as server:
        yield server


@pytest.fixture
def run(redis_client: redis.Redis) -> RunWriter:
    return RunWriter(redis_client).start()


@pytest.fixture
def background() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor() as pool:
        yield pool


def test_a_viewer_sees_a_run_as_it_happens(relay: RelayServer, run: RunWriter) -> None:
    with relay.connect() as browser:
        browser.subscribe(run.run_id).read_until("live")
        run.say(200).finish()

        assert cursors(browser.read_until_seq(run.run_id, run.last)) == run.cursors
        assert browser.shown[run.run_id][-1]["terminal"]


def test_one_socket_follows_many_runs(relay: RelayServer, redis_client: redis.Redis) -> None:
    runs = [RunWriter(redis_client).start() for _ in range(20)]
    with relay.connect() as browser:
        for run in runs:
            browser.subscribe(run.run_id)
        for _ in range(30):
            for run in runs:
                run.say()

        for run in runs:
            assert cursors(browser.read_until_seq(run.run_id, run.last)) == run.cursors


@pytest.mark.parametrize("events", [1, 30, 300, 3000])
def test_who_comes_after_the_end_sees_the_whole_story(relay: RelayServer, run: RunWriter, events: int) -> None:
    run.say(events).finish()

    with relay.connect() as browser:
        browser.subscribe(run.run_id)

        assert cursors(browser.read_until_seq(run.run_id, run.last)) == run.cursors
        browser.read_until("live", run_id=run.run_id)
        assert browser.controls[0] == {"op": "subscribed", "run_id": run.run_id, "top": run.last}


def test_a_viewer_that_is_cut_twenty_times_and_resumes_by_cursor_misses_nothing(
    relay: RelayServer, run: RunWriter, background: ThreadPoolExecutor
) -> None:
    cuts = random.Random(7)
    writing = background.submit(run.say, 3000)
    shown: list[str] = []
    for _ in range(20):
        with relay.connect() as browser:
            browser.subscribe(run.run_id, shown[-1] if shown else 0)
            browser.read_until_seq(run.run_id, len(shown) + cuts.randint(1, 60))
            shown += cursors(browser.shown[run.run_id])
            browser.cut()
        assert [frame for frame in browser.controls if frame["op"] == "reset"] == []
    writing.result()
    run.finish()
    with relay.connect() as browser:
        browser.subscribe(run.run_id, shown[-1])
        shown += cursors(browser.read_until_seq(run.run_id, run.last))

    assert shown == run.cursors


def test_all_viewers_of_a_run_see_the_same(relay: RelayServer, run: RunWriter, background: ThreadPoolExecutor) -> None:
    browsers = [relay.connect() for _ in range(10)]
    for browser in browsers:
        browser.subscribe(run.run_id).read_until("live")
    writing = background.submit(lambda: run.say(1000).finish())

    for browser in browsers:
        browser.read_until_seq(run.run_id, 1002)
    writing.result()
    for browser in browsers:
        assert cursors(browser.shown[run.run_id]) == run.cursors
        browser.socket.close()


def test_a_cursor_with_another_tag_gives_a_reset_and_the_whole_story(relay: RelayServer, run: RunWriter) -> None:
    run.say(9)
    with relay.connect() as browser:
        browser.subscribe(run.run_id, "5-00000000")

        assert browser.read_until("reset") == {"op": "reset", "run_id": run.run_id, "reason": "forked", "cursor": "0"}
        assert cursors(browser.read_until_seq(run.run_id, 10)) == run.cursors


def test_a_cursor_ahead_of_the_log_gives_a_reset_and_the_whole_story(relay: RelayServer, run: RunWriter) -> None:
    run.say(9)
    with relay.connect() as browser:
        browser.subscribe(run.run_id, "99-12345678")

        assert browser.read_until("reset")["reason"] == "ahead"
        assert cursors(browser.read_until_seq(run.run_id, 10)) == run.cursors


def test_a_cursor_whose_event_was_trimmed_gives_a_reset_to_where_the_story_now_begins(
    relay: RelayServer, run: RunWriter
) -> None:
    run.say(999)
    run.trim(401)
    with relay.connect() as browser:
        browser.subscribe(run.run_id, run.cursors[9])

        reset = browser.read_until("reset")
        assert (reset["reason"], reset["cursor"]) == ("trimmed", "400")
        assert cursors(browser.read_until_seq(run.run_id, 1000)) == run.cursors[400:]


def test_a_viewer_of_a_log_that_is_rolled_back_is_told_to_begin_again(relay: RelayServer, run: RunWriter) -> None:
    run.say(9)
    with relay.connect() as browser:
        browser.subscribe(run.run_id).read_until("live")
        run.roll_back(3)
        run.say(5)

        # Ahead, if it is noticed before the new log is as long as the old one was.
        assert browser.read_until("reset")["reason"] in ("forked", "ahead")
        assert cursors(browser.read_until_seq(run.run_id, 12)) == run.cursors


def test_a_lost_last_message_is_repaired_by_the_audit(relay: RelayServer, run: RunWriter) -> None:
    with relay.connect() as browser:
        browser.subscribe(run.run_id).read_until("live")
        run.append_in_silence(3)

        assert cursors(browser.read_until_seq(run.run_id, 4)) == run.cursors


def test_a_hole_in_what_was_published_is_read_from_the_log(relay: RelayServer, run: RunWriter) -> None:
    with relay.connect() as browser:
        browser.subscribe(run.run_id).read_until("live")
        run.append_in_silence(3)
        run.say(2)

        assert cursors(browser.read_until_seq(run.run_id, 6)) == run.cursors


def test_a_forged_message_is_not_shown(relay: RelayServer, run: RunWriter, redis_client: redis.Redis) -> None:
    with relay.connect() as browser:
        browser.subscribe(run.run_id).read_until("live")
        forged = b'{"type":"agent_completed","seq":9,"cursor":"9-00000000","terminal":true,"data":{}}'
        for message in (forged, b"hello", b""):
            redis_client.publish(keys.events_channel(run.run_id), message)
        run.say(3)

        assert cursors(browser.read_until_seq(run.run_id, 4)) == run.cursors
        assert browser.read_until("heartbeat")["top"] == {run.run_id: 4}


def test_a_killed_subscriber_connection_loses_nothing(
    relay: RelayServer, run: RunWriter, redis_client: redis.Redis, background: ThreadPoolExecutor
) -> None:
    with relay.connect() as browser:
        browser.subscribe(run.run_id).read_until("live")
        writing = background.submit(lambda: run.say(4000).finish())
        kills = 0
        while not writing.done():
            kills += redis_client.client_kill_filter(_type="pubsub")
            browser.read_until_seq(run.run_id, min(browser.last[run.run_id] + 50, 4002))
        writing.result()

        assert cursors(browser.read_until_seq(run.run_id, run.last)) == run.cursors
        assert kills > 3
        assert [frame for frame in browser.controls if frame["op"] == "reset"] == []


def test_heartbeats_carry_the_top_of_the_runs_that_are_followed(relay: RelayServer, run: RunWriter) -> None:
    run.say(4)
    with relay.connect() as browser:
        browser.subscribe(run.run_id).read_until("live")
        assert browser.read_until("heartbeat")["top"] == {run.run_id: 5}

        browser.send({"op": "unsubscribe", "run_id": run.run_id})

        browser.read_until("heartbeat", top={})


def test_subscribing_again_starts_again_at_the_given_place(relay: RelayServer, run: RunWriter) -> None:
    run.say(9)
    with relay.connect() as browser:
        browser.subscribe(run.run_id).read_until("live")
        browser.shown.clear()

        browser.subscribe(run.run_id, run.cursors[3])

        assert cursors(browser.read_until_seq(run.run_id, 10)) == run.cursors[4:]


def test_a_redis_that_restarts_under_a_run_loses_nothing(tmp_path: Path) -> None:
    server = new_server(tmp_path / "redis")
    server.start()
    try:
        with running_relay(server.url, tmp_path, RELAY_LIMITS=QUICK) as relay, relay.connect() as browser:
            with connect(server.url) as client:
                run = RunWriter(client).start().say(20)
                browser.subscribe(run.run_id).read_until("live")
            server.stop()
            server.start()
            with connect(server.url) as client:
                run.continue_with(client)
                run.say(20).finish()
                assert cursors(browser.read_until_seq(run.run_id, run.last)) == run.cursors
    finally:
        server.stop()


def test_who_subscribes_while_redis_is_away_is_served_when_it_is_back(tmp_path: Path) -> None:
    server = new_server(tmp_path / "redis")
    server.start()
    try:
        with running_relay(server.url, tmp_path, RELAY_LIMITS=QUICK) as relay, relay.connect() as browser:
            with connect(server.url) as client:
                run = RunWriter(client).start().say(20)
            server.stop()
            wait_until(lambda: not relay.state()["is_listening"], what="the relay has noticed")
            browser.subscribe(run.run_id)
            server.start()

            assert cursors(browser.read_until_seq(run.run_id, 21)) == run.cursors
    finally:
        server.stop()


def test_a_stopping_process_sends_what_it_has_says_goodbye_and_closes(
    redis_url: str, redis_client: redis.Redis, tmp_path: Path, background: ThreadPoolExecutor
) -> None:
    run = RunWriter(redis_client).start()
    with running_relay(redis_url, tmp_path) as relay:
        browsers = [relay.connect(user=f"usr_{1 + number % 5}") for number in range(50)]
        follower = relay.connect()
        follower.subscribe(run.run_id).read_until("live")
        run.say(100)
        follower.read_until_seq(run.run_id, 50)

        relay.process.send(signal.SIGTERM)

        goodbyes = [background.submit(goodbye, browser) for browser in [follower, *browsers]]
        retries = [future.result() for future in goodbyes]
        assert relay.process.wait() == 0
        assert all(0 <= retry <= 3000 for retry in retries)
        assert len(set(retries)) > 30
        with running_relay(redis_url, tmp_path) as next_relay, next_relay.connect() as browser:
            browser.subscribe(run.run_id, follower.shown[run.run_id][-1]["cursor"])
            browser.read_until_seq(run.run_id, 101)


def test_viewers_do_not_wait_for_the_last_request_of_a_stopping_process(
    redis_url: str, tmp_path: Path, background: ThreadPoolExecutor
) -> None:
    with running_relay(redis_url, tmp_path) as relay:
        browser = relay.connect()
        request = HTTPConnection(*relay.address, timeout=scaled(10))
        request.request("GET", "/hold?seconds=1.5")
        relay.state()

        relay.process.send(signal.SIGTERM)

        answer = background.submit(request.getresponse)
        goodbye(browser)
        assert not answer.done()
        assert answer.result().read() == b"done"
        request.close()
        assert relay.process.wait() == 0


def test_a_process_that_is_told_to_quit_still_says_goodbye(redis_url: str, tmp_path: Path) -> None:
    with running_relay(redis_url, tmp_path) as relay:
        browser = relay.connect()

        relay.process.send(signal.SIGINT)

        goodbye(browser)
        relay.process.wait()


def goodbye(browser: Browser) -> int:
    """Read to the end; give the time after which to come back."""
    browser.read_to_end()
    assert browser.socket.close_code == 1012
    (bye,) = (frame for frame in browser.controls if frame["op"] == "bye")
    return int(bye["retry_ms"])
