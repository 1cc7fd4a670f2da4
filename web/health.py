"""What a platform asks: is the process alive, and can it serve."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response
from redis import Redis
from redis.exceptions import RedisError

from web.http.answers import json_answer
from web.services import services
from worker.contract import keys
from worker.contract.clock import now_ms

blueprint = Blueprint("health", __name__)


@blueprint.get("/healthz")
def healthz() -> Response:
    """Say that the process answers; asks nothing of anyone else, so that a Redis outage restarts nobody."""
    return json_answer({"status": "ok"})


@blueprint.get("/readyz")
def readyz() -> Response:
    """Say whether a message sent now would be worked on; 503 with the reasons if not."""
    reasons = ["The process is stopping."] if services().relay.is_stopping else _reasons(services().redis)
    return json_answer({"status": "unready" if reasons else "ready", "reasons": reasons}, 503 if reasons else 200)


def _reasons(client: Redis) -> list[str]:
    try:
        seen: Any = client.zcount(keys.WORKERS, now_ms() - keys.WORKER_SILENCE_MS, "+inf")
    except RedisError as error:
        return [f"Redis does not answer ({type(error).__name__})."]
    return [] if seen else [f"No worker has been seen for {keys.WORKER_SILENCE_MS // 1000} s."]
