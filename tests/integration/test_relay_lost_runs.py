"""A server that loses runs, wholly or their newest part, while they are watched."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest
import redis

from tests.support.redis import RedisServer, connect, new_server
from tests.support.relay import RelayServer, RunWriter, cursors, running_relay
from tests.support.waiting import wait_until
from worker.contract import keys

QUICK = '{"audit_seconds": 0.3, "heartbeat_seconds": 0.5, "probe_seconds": 0.3}'
#: One audit takes place within any test here, never two.
PATIENT = '{"audit_seconds": 60, "heartbeat_seconds": 0.2}'


@pytest.fixture(scope="module")
def relay(redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RelayServer]:
    with running_relay(redis_server.url, tmp_path_factory.mktemp("relay"), RELAY_LIMITS=QUICK) as server:
        yield server


@pytest.fixture
def run(redis_client: redis.Redis) -> RunWriter:
    return RunWriter(redis_client).start().say(9)


def dump(client: redis.Redis, run: RunWriter) -> dict[str, bytes]:
    with redis.Redis.from_url(f"redis://{address(client)}") as raw:
        return {key: cast(bytes, raw.dump(key)) for key in (keys.run(run.run_id), keys.log(run.run_id))}


def restore(client: redis.Redis, dumped: dict[str, bytes]) -> None:
    for key, value in dumped.items():
        client.restore(key, 0, value)


def address(client: redis.Redis) -> str:
    options = client.connection_pool.connection_kwargs
    return f"{options['host']}:{options['port']}"


def test_a_watched_run_that_is_lost_is_reported_and_no_longer_followed(
    relay: RelayServer, run: RunWriter, redis_client: redis.Redis
) -> None:
    with relay.connect() as browser:
        browser.subscribe(run.run_id).read_until("live")
        redis_client.flushall()

        gone = browser.read_until("error")

        assert gone == {"op": "error", "code": "gone", "message": "The server has lost this run.", "run_id": run.run_id}
        browser.read_until("heartbeat", top={})
        # What was shown stays: nothing better is to come.
        assert cursors(browser.shown[run.run_id]) == run.cursors
        assert [frame for frame in browser.controls if frame["op"] == "reset"] == []


def test_a_run_that_is_lost_without_a_viewer_is_not_remembered(
    relay: RelayServer, run: RunWriter, redis_client: redis.Redis
) -> None:
    with relay.connect() as browser:
        browser.subscribe(run.run_id).read_until("live")
        browser.send({"op": "unsubscribe", "run_id": run.run_id})
        redis_client.flushall()

        def is_forgotten() -> bool:
            browser.subscribe(run.run_id)
            return bool(browser.read_until("error")["code"] == "not_found")

        wait_until(is_forgotten)


def test_a_run_that_comes_back_under_its_name_is_followed_anew(
    relay: RelayServer, run: RunWriter, redis_client: redis.Redis
) -> None:
    with relay.connect() as browser, relay.connect(user="usr_1") as stranger:
        browser.subscribe(run.run_id).read_until("live")
        dumped = dump(redis_client, run)
        redis_client.flushall()
        browser.read_until("error", code="gone")

        restore(redis_client, dumped)
        redis_client.hset(keys.run(run.run_id), "user_id", "usr_1")

        browser.subscribe(run.run_id)
        assert browser.read_until("error")["code"] == "not_found"
        stranger.subscribe(run.run_id)
        run.say(3)
        assert cursors(stranger.read_until_seq(run.run_id, run.last)) == run.cursors


def test_a_run_that_its_worker_gives_back_in_time_goes_on_as_if_nothing_had_been(
    redis_url: str, redis_client: redis.Redis, tmp_path: Path
) -> None:
    run = RunWriter(redis_client).start().say(9)
    with running_relay(redis_url, tmp_path, RELAY_LIMITS=PATIENT) as relay, relay.connect() as browser:
        browser.subscribe(run.run_id).read_until("live")
        dumped = dump(redis_client, run)
        redis_client.flushall()
        # Reads while there is no record: by the feed, for the connection is new, and by a viewer that is behind.
        redis_client.client_kill_filter(_type="pubsub")
        with relay.connect() as latecomer:
            latecomer.subscribe(run.run_id, run.cursors[4])
            browser.read_until("heartbeat")
            browser.read_until("heartbeat")

            restore(redis_client, dumped)
            run.say(3)

            assert cursors(browser.read_until_seq(run.run_id, run.last)) == run.cursors
            assert cursors(latecomer.read_until_seq(run.run_id, run.last)) == run.cursors[5:]
            for frame in browser.controls + latecomer.controls:
                assert frame["op"] not in ("reset", "error")


def test_a_redis_that_comes_back_empty_ends_what_is_watched(tmp_path: Path) -> None:
    server = new_server(tmp_path / "redis")
    server.start()
    try:
        with running_relay(server.url, tmp_path, RELAY_LIMITS=QUICK) as relay, relay.connect() as browser:
            with connect(server.url) as client:
                run = RunWriter(client).start().say(20)
            browser.subscribe(run.run_id).read_until("live")

            server.kill()
            shutil.rmtree(server.directory)
            server.start()

            assert browser.read_until("error")["code"] == "gone"
            assert cursors(browser.shown[run.run_id]) == run.cursors
    finally:
        server.stop()


def test_an_append_only_file_that_lost_its_tail_is_told_to_those_who_saw_it(tmp_path: Path) -> None:
    server = new_server(tmp_path / "redis")
    server.start()
    try:
        with running_relay(server.url, tmp_path, RELAY_LIMITS=QUICK) as relay, relay.connect() as browser:
            with connect(server.url) as client:
                run = RunWriter(client).start().say(20)
            browser.subscribe(run.run_id).read_until_seq(run.run_id, 21)

            server.kill()
            tail = max(server.directory.rglob("*.aof"), key=lambda file: file.stat().st_size)
            tail.write_bytes(tail.read_bytes()[: -tail.stat().st_size // 4])
            server.start()

            assert browser.read_until("reset")["reason"] == "ahead"
            with connect(server.url) as client:
                left = int(client.xlen(keys.log(run.run_id)))
            assert 0 < left < 21
            assert cursors(browser.read_until_seq(run.run_id, left)) == run.cursors[:left]
    finally:
        server.stop()


@pytest.mark.parametrize("behind", [1, 5, 9])
def test_a_log_that_is_rolled_back_and_stays_so_is_noticed_by_the_audit(
    relay: RelayServer, run: RunWriter, behind: int
) -> None:
    with relay.connect() as browser, relay.connect() as reader:
        browser.subscribe(run.run_id).read_until_seq(run.run_id, 10)
        reader.subscribe(run.run_id).read_until_seq(run.run_id, 10)

        run.roll_back(behind)

        for each in (browser, reader):
            assert each.read_until("reset") == {
                "op": "reset",
                "run_id": run.run_id,
                "reason": "ahead",
                "cursor": "0",
            }
            assert cursors(each.read_until_seq(run.run_id, run.last)) == run.cursors


def test_a_log_that_is_rolled_back_and_written_anew_in_silence_is_noticed_by_the_audit(
    relay: RelayServer, run: RunWriter
) -> None:
    with relay.connect() as browser:
        browser.subscribe(run.run_id).read_until_seq(run.run_id, 10)

        run.roll_back(4)
        run.append_in_silence(4)

        assert browser.read_until("reset")["reason"] in ("forked", "ahead")
        assert cursors(browser.read_until_seq(run.run_id, 10)) == run.cursors
