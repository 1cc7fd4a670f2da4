"""What Celery is told of each kind of broker, and which addresses the settings take."""

from __future__ import annotations

import inspect
import ssl
from collections.abc import Callable
from typing import Any

import pytest
from kombu.transport.pyamqp import Connection
from kombu.transport.redis import Channel

from worker.contract.broker import Limits, is_amqp, sender_settings, worker_settings
from worker.contract.environment import Environment

Settings = Callable[[str, Limits], dict[str, Any]]

LIMITS = Limits(connect_seconds=2, command_seconds=3, connections=30)
REDIS = "redis://localhost:6379/0"
RABBIT = "amqp://guest:hush@localhost:5672//"


def broker_url(**environ: str) -> tuple[str, list[str]]:
    env = Environment(environ)
    return env.broker_url(REDIS), env.problems


@pytest.mark.parametrize("settings", [worker_settings, sender_settings])
def test_redis_is_told_only_what_kombus_redis_knows(settings: Settings) -> None:
    options = settings(REDIS, LIMITS)["broker_transport_options"]

    assert options.keys() <= set(Channel.from_transport_options)
    assert options["max_connections"] == 30
    assert options["socket_timeout"] == 3
    assert options["queue_order_strategy"] == "round_robin"


@pytest.mark.parametrize("settings", [worker_settings, sender_settings])
def test_rabbitmq_is_told_only_what_py_amqp_knows(settings: Settings) -> None:
    options = settings(RABBIT, LIMITS)["broker_transport_options"]

    assert options.keys() <= inspect.signature(Connection).parameters.keys()


def test_a_sender_waits_for_the_word_of_rabbitmq_but_not_for_ever() -> None:
    options = sender_settings(RABBIT, LIMITS)["broker_transport_options"]

    assert options["confirm_publish"]
    assert options["read_timeout"] == 3
    # A worker that takes messages may hear nothing for hours.
    assert "read_timeout" not in worker_settings(RABBIT, LIMITS)["broker_transport_options"]


def test_the_certificate_of_rabbitmq_is_verified_with_its_name() -> None:
    settings = worker_settings("amqps://user:hush@rabbit.example:5671/vhost", LIMITS)

    assert settings["broker_use_ssl"] == {"cert_reqs": ssl.CERT_REQUIRED, "server_hostname": "rabbit.example"}
    assert "broker_use_ssl" not in worker_settings(RABBIT, LIMITS)


def test_a_socket_of_this_machine_is_named_as_kombu_has_it() -> None:
    assert worker_settings("unix:///run/redis.sock?db=1", LIMITS)["broker_url"].startswith("redis+socket://")


def test_the_broker_is_redis_unless_another_one_is_named() -> None:
    assert broker_url() == (REDIS, [])
    assert broker_url(BROKER_URL=RABBIT) == (RABBIT, [])
    assert broker_url(BROKER_URL="redis://other:6379/2") == ("redis://other:6379/2", [])
    assert is_amqp(RABBIT)
    assert not is_amqp(REDIS)


def test_another_redis_is_verified_like_the_first() -> None:
    url, problems = broker_url(BROKER_URL="rediss://other:6379/2", REDIS_TLS_VERIFY="false")

    assert "ssl_cert_reqs=none" in url
    assert problems == []


def test_an_address_that_no_broker_has_is_a_problem_that_shows_no_password() -> None:
    _, [problem] = broker_url(BROKER_URL="sqs://key:hush@aws")

    assert problem.startswith("BROKER_URL does not begin with amqp://")
    assert "hush" not in problem


@pytest.mark.parametrize(
    "address",
    [
        "amqp://guest:hu/sh@localhost:5672//",
        "amqp://guest:hu#sh@localhost:5672//",
        "amqp://guest:hu sh@localhost:5672//",
        "amqp://guest:hush@localhost:port//",
        "amqps://guest:hush@[localhost//",
    ],
)
def test_an_address_of_rabbitmq_that_cannot_be_read_is_a_problem_that_does_not_show_it(address: str) -> None:
    url, [problem] = broker_url(BROKER_URL=address)

    assert url == REDIS
    assert problem.startswith("BROKER_URL cannot be read; expected ")
    assert "hu" not in problem
