"""What Celery is told of its broker, by the kind of broker. Both sides must say the same.

| kind  | addresses                         | a message waits in    | what is told                            |
|-------|-----------------------------------|-----------------------|-----------------------------------------|
| Redis | `redis://` `rediss://` `unix://`  | a list per queue      | pool size, time limits, turns of queues |
| AMQP  | `amqp://` `amqps://` (RabbitMQ)   | a durable queue       | time limits, certificates are verified  |

A message is a doorbell on any of them: one that is lost or comes twice does no harm (see `commands`).
"""

from __future__ import annotations

import ssl
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from worker.contract.redis_address import broker_form

REDIS_SCHEMES = ("redis", "rediss", "unix")
AMQP_SCHEMES = ("amqp", "amqps")

#: Redelivery by age is of no use here (the reaper is faster) and harmless (the lease answers busy). Longer than any
#: run, so that it makes no noise. The smallest value of all processes wins, hence one place for all.
_VISIBILITY_SECONDS = 43_200


class Limits(NamedTuple):
    """How long one side waits for the broker, in seconds, and how many connections it may hold."""

    connect_seconds: float
    command_seconds: float
    #: None leaves kombu's own limit.
    connections: int | None = None


def is_amqp(url: str) -> bool:
    """Whether the broker is RabbitMQ, or another one that speaks its protocol."""
    return urlsplit(url).scheme in AMQP_SCHEMES


def worker_settings(url: str, limits: Limits) -> dict[str, Any]:
    """Celery's settings for a process that takes messages, and now and then sends one."""
    if is_amqp(url):
        # No limit on reading: it would cut a quiet connection, which is watched by heartbeats.
        options = {"connect_timeout": limits.connect_seconds, "write_timeout": limits.command_seconds}
        return _amqp(url, options)
    return _redis(url, limits)


def sender_settings(url: str, limits: Limits) -> dict[str, Any]:
    """Celery's settings for a process that only sends messages."""
    if is_amqp(url):
        options = {
            "connect_timeout": limits.connect_seconds,
            "write_timeout": limits.command_seconds,
            # The broker says that it has the message; without this a frozen one would seem to.
            "confirm_publish": True,
            "read_timeout": limits.command_seconds,
        }
        return _amqp(url, options)
    return _redis(url, limits)


def _redis(url: str, limits: Limits) -> dict[str, Any]:
    options: dict[str, Any] = {
        "visibility_timeout": _VISIBILITY_SECONDS,
        "socket_timeout": limits.command_seconds,
        "socket_connect_timeout": limits.connect_seconds,
        "socket_keepalive": True,
        # A worker of several queues takes from each in turn, so that a full one starves no other. kombu's default too.
        "queue_order_strategy": "round_robin",
    }
    if limits.connections is not None:
        options["max_connections"] = limits.connections
    return {"broker_url": broker_form(url), "broker_transport_options": options}


def _amqp(url: str, options: dict[str, Any]) -> dict[str, Any]:
    settings: dict[str, Any] = {"broker_url": url, "broker_transport_options": options}
    place = urlsplit(url)
    if place.scheme == "amqps":
        # The chain is verified by default; the name in the certificate only when it is given.
        settings["broker_use_ssl"] = {"cert_reqs": ssl.CERT_REQUIRED, "server_hostname": place.hostname}
    return settings
