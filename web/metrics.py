"""What a monitoring system reads, in Prometheus' text format: the state of the system as Redis knows it."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest
from redis import Redis
from redis.exceptions import RedisError

from web.services import services
from worker.contract import keys
from worker.contract.clock import now_ms
from worker.contract.commands import DEFAULT_QUEUE

blueprint = Blueprint("metrics", __name__)


@blueprint.get("/metrics")
def metrics() -> Response:
    """Give figures of now. Only gauges: each web process answers for itself, and any of them may be asked."""
    registry = CollectorRegistry()
    viewers = Gauge("outloud_viewers", "Open sockets and event streams of this web process.", registry=registry)
    viewers.set(services().relay.viewers)
    up = Gauge("outloud_redis_up", "1 when Redis answers.", registry=registry)
    try:
        _measure(services().redis, registry)
        up.set(1)
    except RedisError:
        up.set(0)
    return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


def _measure(client: Redis, registry: CollectorRegistry) -> None:
    with client.pipeline(transaction=False) as pipe:
        pipe.zcard(keys.RUNS_LIVE)
        pipe.zrange(keys.RUNS_LIVE, 0, 0, withscores=True)
        pipe.llen(DEFAULT_QUEUE)
        pipe.zcount(keys.WORKERS, now_ms() - keys.WORKER_SILENCE_MS, "+inf")
        answers: list[Any] = pipe.execute()
    unfinished, oldest, queued, workers = answers
    age = (now_ms() - oldest[0][1]) / 1000 if oldest else 0.0
    for name, words, value in (
        ("outloud_runs_unfinished", "Runs that wait or are worked on.", unfinished),
        ("outloud_oldest_unfinished_run_seconds", "Age of the oldest unfinished run; 0 when there is none.", age),
        ("outloud_queue_length", "Messages to workers that none has taken.", queued),
        ("outloud_workers", "Workers that have given a sign of life lately.", workers),
    ):
        Gauge(name, words, registry=registry).set(value)
