"""Outcomes that nobody has seen, told to a receiver that refuses on demand: a real Redis, real HTTP."""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from tests.support.redis import new_server
from tests.support.relay import USER, RunWriter
from tests.support.system import SECRET_KEY, System
from tests.support.waiting import wait_until
from tests.support.webhook import KEY, SECRET, TOKEN, WebhookReceiver
from web.settings import WebSettings
from web.webhooks.courier import Courier, Pace
from web.webhooks.webhook import MAX_TRIES
from worker.contract import keys, scripts
from worker.contract.connections import COURIER
from worker.contract.events import Failure

PACE = Pace(look=0.05, clear=0.05, away=0.1, post=1.0, hidden=10.0, wait_scale=0.001)

StartCourier = Callable[..., Courier]


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    with WebhookReceiver() as made:
        yield made


@pytest.fixture
def start_courier(redis_url: str, receiver: WebhookReceiver) -> Iterator[StartCourier]:
    """Start a courier that tells the receiver at once; takes a pace and settings: `start_courier(WEBHOOK_URL="")`."""
    couriers = []

    def start(pace: Pace = PACE, **settings: str) -> Courier:
        environ = {
            "REDIS_URL": redis_url,
            "SECRET_KEY": SECRET_KEY,
            "WEBHOOK_URL": receiver.url,
            "WEBHOOK_SECRET": SECRET,
            "WEBHOOK_DELAY_SECONDS": "0",
            **settings,
        }
        courier = Courier(WebSettings.from_env(environ), pace=pace)
        courier.start()
        couriers.append(courier)
        return courier

    yield start
    for courier in couriers:
        courier.stop()


@pytest.fixture
def run(redis_client: redis.Redis) -> RunWriter:
    return RunWriter(redis_client).start()


def call(client: redis.Redis, wanted: scripts.ScriptCall) -> Any:
    return client.eval(wanted.script.source, len(wanted.keys), *wanted.keys, *wanted.args)


def end(client: redis.Redis, run: RunWriter) -> RunWriter:
    """Finish a run as its worker does: it is listed as unseen."""
    run.finish()
    call(client, scripts.list_unseen(run.run_id))
    return run


def see(client: redis.Redis, run: RunWriter) -> None:
    assert call(client, scripts.ack(run.run_id, user_id=USER, viewer="tab", seq=run.last)) == "seen"


def listed(client: redis.Redis) -> list[str]:
    found: Any = client.zrange(keys.RUNS_UNSEEN, 0, -1)
    return list(found)


def test_an_outcome_that_nobody_has_seen_is_told_once_and_signed(
    start_courier: StartCourier, receiver: WebhookReceiver, redis_client: redis.Redis, run: RunWriter
) -> None:
    start_courier()
    end(redis_client, run)

    wait_until(lambda: receiver.deliveries and not listed(redis_client))

    (delivery,) = receiver.deliveries
    assert delivery.headers["content-type"] == "application/json"
    assert delivery.is_signed_with(KEY)
    assert abs(int(delivery.headers["webhook-timestamp"]) - time.time()) < 60
    assert delivery.content["type"] == "run.outcome_unseen"
    data = delivery.content["data"]
    assert abs(data.pop("ended_at") / 1000 - time.time()) < 60
    assert data == {
        "run_id": run.run_id,
        "thread_id": "thr_0",
        "user_id": USER,
        "agent": "triage",
        "state": "completed",
        "attempt": 1,
    }


def test_a_failed_run_is_told_with_its_reason(
    start_courier: StartCourier, receiver: WebhookReceiver, redis_client: redis.Redis, run: RunWriter
) -> None:
    run.fail(Failure(code="worker_lost", message="The worker was lost.", retryable=True))
    call(redis_client, scripts.list_unseen(run.run_id))

    start_courier()

    wait_until(lambda: receiver.deliveries)
    data = receiver.deliveries[0].content["data"]
    assert data["state"] == "failed"
    assert data["error"] == {"code": "worker_lost", "message": "The worker was lost.", "retryable": True}


def test_who_sees_the_outcome_in_time_keeps_the_webhook_silent(
    start_courier: StartCourier, receiver: WebhookReceiver, redis_client: redis.Redis, run: RunWriter
) -> None:
    start_courier(WEBHOOK_DELAY_SECONDS="0.5")
    other = RunWriter(redis_client).start()
    end(redis_client, run)
    end(redis_client, other)
    ended = time.monotonic()

    see(redis_client, run)

    wait_until(lambda: not listed(redis_client))
    assert receiver.run_ids() == [other.run_id]
    assert time.monotonic() - ended >= 0.45


@pytest.mark.parametrize("status", [500, 404, 302, 204])
def test_what_is_no_success_is_tried_again_with_the_same_words(
    start_courier: StartCourier, receiver: WebhookReceiver, redis_client: redis.Redis, run: RunWriter, status: int
) -> None:
    receiver.refuse(status, times=3)
    start_courier()
    end(redis_client, run)

    wait_until(lambda: receiver.deliveries and not listed(redis_client))

    assert len(receiver.deliveries) == (1 if status == 204 else 4)
    assert len({(delivery.path, delivery.message_id, delivery.body) for delivery in receiver.deliveries}) == 1
    assert all(delivery.is_signed_with(KEY) for delivery in receiver.deliveries)


def test_a_person_who_comes_between_the_tries_ends_them(
    start_courier: StartCourier, receiver: WebhookReceiver, redis_client: redis.Redis, run: RunWriter
) -> None:
    receiver.refuse(503, times=MAX_TRIES)
    start_courier(Pace(look=0.05, wait_scale=0.1))  # 0.25 to 0.5 s, then four times that.
    end(redis_client, run)
    wait_until(lambda: len(receiver.deliveries) == 2)

    see(redis_client, run)

    wait_until(lambda: not listed(redis_client))
    assert len(receiver.deliveries) == 2


def test_after_the_last_try_it_is_given_up_and_that_is_said(
    start_courier: StartCourier,
    receiver: WebhookReceiver,
    redis_client: redis.Redis,
    run: RunWriter,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "web")
    receiver.refuse(500, times=2 * MAX_TRIES)
    start_courier(Pace(look=0.02, wait_scale=0.00001))
    end(redis_client, run)

    wait_until(lambda: "webhook_given_up" in [vars(record).get("action") for record in caplog.records])
    wait_until(lambda: not listed(redis_client))
    assert len(receiver.deliveries) == MAX_TRIES

    call(redis_client, scripts.list_unseen(run.run_id))
    wait_until(lambda: not listed(redis_client))
    assert len(receiver.deliveries) == MAX_TRIES

    lines = [str(vars(record)) for record in caplog.records]
    assert [line for line in lines if TOKEN in line or SECRET in line or KEY.decode() in line] == []


def test_an_answer_that_never_ends_is_given_up_in_time_and_holds_up_no_other(
    start_courier: StartCourier, receiver: WebhookReceiver, redis_client: redis.Redis
) -> None:
    receiver.refuse(0)
    start_courier()
    runs = [end(redis_client, RunWriter(redis_client).start()) for _ in range(3)]

    wait_until(lambda: not listed(redis_client))

    assert sorted(set(receiver.run_ids())) == sorted(run.run_id for run in runs)
    assert len(receiver.deliveries) == 4


def test_many_outcomes_at_once_take_no_more_connections_than_the_courier_s_share(
    start_courier: StartCourier, receiver: WebhookReceiver, redis_client: redis.Redis
) -> None:
    runs = [end(redis_client, RunWriter(redis_client).start()) for _ in range(8)]
    before = {found["id"] for found in redis_client.client_list()}

    start_courier()
    wait_until(lambda: len(receiver.deliveries) == len(runs) and not listed(redis_client))

    held = [found for found in redis_client.client_list() if found["id"] not in before]
    assert len(held) <= COURIER


def test_a_receiver_that_is_not_there_is_tried_again(
    start_courier: StartCourier, redis_client: redis.Redis, run: RunWriter, caplog: pytest.LogCaptureFixture
) -> None:
    with WebhookReceiver() as gone:
        url = gone.url
    end(redis_client, run)

    start_courier(WEBHOOK_URL=url)

    wait_until(lambda: [vars(record)["try"] for record in caplog.records if hasattr(record, "try")][:2] == [1, 2])
    assert "ConnectError" in vars(caplog.records[0])["reason"]


def test_many_processes_tell_of_each_run_once(
    start_courier: StartCourier, receiver: WebhookReceiver, redis_client: redis.Redis
) -> None:
    runs = [end(redis_client, RunWriter(redis_client).start()) for _ in range(60)]

    for _ in range(4):
        start_courier()

    wait_until(lambda: not listed(redis_client))
    assert sorted(receiver.run_ids()) == sorted(run.run_id for run in runs)


def test_what_a_process_left_in_the_middle_of_a_try_another_takes_up(
    start_courier: StartCourier, receiver: WebhookReceiver, redis_client: redis.Redis, run: RunWriter
) -> None:
    receiver.refuse(0)
    pace = Pace(look=0.05, post=30.0, hidden=1.0)
    dying = start_courier(pace)
    end(redis_client, run)
    wait_until(lambda: receiver.deliveries)
    dying.stop(0)

    start_courier(pace)

    wait_until(lambda: not listed(redis_client))
    assert receiver.run_ids() == [run.run_id, run.run_id]


def test_runs_that_are_no_longer_kept_leave_the_list(
    start_courier: StartCourier, receiver: WebhookReceiver, redis_client: redis.Redis, run: RunWriter
) -> None:
    end(redis_client, run)
    redis_client.delete(keys.run(run.run_id))

    start_courier()

    wait_until(lambda: not listed(redis_client))
    assert receiver.deliveries == []
    assert not redis_client.exists(keys.run(run.run_id))


def test_a_run_that_is_listed_again_is_not_told_again(
    start_courier: StartCourier, receiver: WebhookReceiver, redis_client: redis.Redis, run: RunWriter
) -> None:
    start_courier()
    end(redis_client, run)
    wait_until(lambda: receiver.deliveries and not listed(redis_client))

    call(redis_client, scripts.list_unseen(run.run_id))

    wait_until(lambda: not listed(redis_client))
    assert len(receiver.deliveries) == 1


def test_without_a_webhook_the_list_is_emptied(
    start_courier: StartCourier, receiver: WebhookReceiver, redis_client: redis.Redis, run: RunWriter
) -> None:
    start_courier(WEBHOOK_URL="")
    end(redis_client, run)

    wait_until(lambda: not listed(redis_client))
    assert receiver.deliveries == []


def test_a_run_is_listed_once_with_the_time_of_its_end(redis_client: redis.Redis, run: RunWriter) -> None:
    run.finish()

    assert call(redis_client, scripts.list_unseen(run.run_id)) == 1
    first: Any = redis_client.zscore(keys.RUNS_UNSEEN, run.run_id)
    assert call(redis_client, scripts.list_unseen(run.run_id)) == 0

    assert redis_client.zscore(keys.RUNS_UNSEEN, run.run_id) == first
    assert abs(first - time.time() * 1000) < 60_000


def test_of_too_many_the_oldest_are_dropped(redis_client: redis.Redis) -> None:
    redis_client.zadd(keys.RUNS_UNSEEN, {f"run_{number}": number for number in range(12)})

    dropped, taken = call(redis_client, scripts.take_unseen(delay_ms=0, hidden_ms=60_000, limit=3, keep=10))

    assert (dropped, taken) == (2, ["run_2", "run_3", "run_4"])
    assert len(listed(redis_client)) == 10
    assert call(redis_client, scripts.take_unseen(delay_ms=0, hidden_ms=60_000, limit=20, keep=10))[1] == [
        f"run_{number}" for number in range(5, 12)
    ]


def test_a_stop_waits_for_what_is_under_way_but_not_for_long(
    start_courier: StartCourier, receiver: WebhookReceiver, redis_client: redis.Redis, run: RunWriter
) -> None:
    receiver.refuse(0)
    courier = start_courier(Pace(look=0.05, post=30.0))
    end(redis_client, run)
    wait_until(lambda: receiver.deliveries)
    began = time.monotonic()

    courier.stop(0.5)

    assert 0.5 <= time.monotonic() - began < 2
    assert "courier" not in [os_thread.name for os_thread in threading.enumerate()]
    assert listed(redis_client) == [run.run_id]


def test_a_redis_that_is_away_delays_the_webhook_and_loses_none(
    receiver: WebhookReceiver, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server = new_server(tmp_path / "redis")
    environ = {
        "REDIS_URL": server.url,
        "SECRET_KEY": SECRET_KEY,
        "WEBHOOK_URL": receiver.url,
        "WEBHOOK_SECRET": SECRET,
        "WEBHOOK_DELAY_SECONDS": "0",
    }
    courier = Courier(WebSettings.from_env(environ), pace=PACE)
    courier.start()
    try:
        wait_until(lambda: "unseen outcomes not read" in caplog.messages)
        server.start()
        with redis.Redis.from_url(server.url, decode_responses=True) as client:
            run = end(client, RunWriter(client).start())

            wait_until(lambda: not listed(client))
        assert receiver.run_ids() == [run.run_id]
    finally:
        courier.stop()
        server.stop()


def test_the_web_process_tells_the_webhook_and_shows_neither_its_address_nor_its_secret(
    receiver: WebhookReceiver, tmp_path: Path
) -> None:
    system = System(
        tmp_path,
        new_server(tmp_path / "redis"),
        {"WEBHOOK_URL": receiver.url, "WEBHOOK_SECRET": SECRET, "WEBHOOK_DELAY_SECONDS": "0"},
    )
    try:
        system.redis.start()
        web = system.start_web(ready="/healthz", WEB_CONCURRENCY="2")
        with redis.Redis.from_url(system.redis_url, decode_responses=True) as client:
            run = end(client, RunWriter(client).start())
            receiver.refuse(500)
            wait_until(lambda: not listed(client), 20)
        assert set(receiver.run_ids()) == {run.run_id}

        web.send(signal.SIGTERM)

        assert web.wait(10) == 0
        wait_until(lambda: "webhook_sent" in web.output)
        assert TOKEN not in web.output
        assert SECRET not in web.output
        assert "Traceback" not in web.output
    finally:
        system.stop()
