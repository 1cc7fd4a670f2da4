"""What a monitoring system reads, in Prometheus' text format: all processes of the system, from any web process."""

from __future__ import annotations

import hmac

from flask import Blueprint, Response, current_app, request
from flask.blueprints import BlueprintSetupState
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from redis.exceptions import RedisError

from web.errors import Unauthenticated
from web.figures.exposition import Exposition
from web.figures.kept import Kept
from web.figures.system import read_system
from web.services import services

blueprint = Blueprint("metrics", __name__)

#: Where an application keeps its last look …
_LOOK = "metrics"
#: … and for how long all who ask share it. Nobody scrapes more often; two scrapers of one process may, and each of them
#: sees counters that grow.
LOOK_SECONDS = 1.0


@blueprint.get("/metrics")
def metrics() -> Response:
    """Give the figures of now. While Redis is away, those of this process alone."""
    _check_token()
    look: Kept[bytes] = current_app.extensions[_LOOK]
    return Response(look.get(), content_type=CONTENT_TYPE_LATEST)


@blueprint.record
def _keep_looks(state: BlueprintSetupState) -> None:
    # A look reads every run and queue: who asks in a loop must not keep Redis from its work.
    state.app.extensions[_LOOK] = Kept(_look, seconds=LOOK_SECONDS)


def _look() -> bytes:
    exposition = Exposition()
    try:
        # This process is told of with the others: what it has told once, no later answer of another may fall behind.
        read_system(services().redis, exposition, services().figures.commands())
    except RedisError:
        exposition = Exposition()
        exposition.add_process(services().figures.process, services().meters.snapshot())
        exposition.say_redis_is_away()
    return generate_latest(exposition)


def _check_token() -> None:
    token = services().settings.metrics_token
    if not token:
        return
    given = request.headers.get("Authorization", "")
    if not hmac.compare_digest(given.encode(), f"Bearer {token.reveal()}".encode()):
        raise Unauthenticated("These figures are for who has the METRICS_TOKEN.")
