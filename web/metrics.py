"""What a monitoring system reads, in Prometheus' text format: all processes of the system, from any web process."""

from __future__ import annotations

import hmac

from flask import Blueprint, Response, request
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from redis.exceptions import RedisError

from web.errors import Unauthenticated
from web.figures.exposition import Exposition
from web.figures.system import read_system
from web.services import services

blueprint = Blueprint("metrics", __name__)


@blueprint.get("/metrics")
def metrics() -> Response:
    """Give the figures of now. While Redis is away, those of this process alone."""
    _check_token()
    exposition = Exposition()
    try:
        # This process is told of with the others: what it has told once, no later answer of another may fall behind.
        read_system(services().redis, exposition, services().figures.commands())
    except RedisError:
        exposition = Exposition()
        exposition.add_process(services().figures.process, services().meters.snapshot())
        exposition.say_redis_is_away()
    return Response(generate_latest(exposition), content_type=CONTENT_TYPE_LATEST)


def _check_token() -> None:
    token = services().settings.metrics_token
    if not token:
        return
    given = request.headers.get("Authorization", "")
    if not hmac.compare_digest(given.encode(), f"Bearer {token.reveal()}".encode()):
        raise Unauthenticated("These figures are for who has the METRICS_TOKEN.")
