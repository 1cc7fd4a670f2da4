"""A small application with nothing but the relay's doors, for tests of the relay under a real gunicorn.

The user is whoever the header `X-User` names, signed in for `X-Seconds` if that is given. `RELAY_LIMITS` holds limits
as JSON that differ from the defaults.
"""

from __future__ import annotations

import json
import os
import threading
import time
from typing import Any

from flask import Flask, Request, Response, request

from web import sockets
from web.relay.limits import RelayLimits
from web.relay.relay import Relay
from worker.contract.environment import Environment
from worker.contract.meters import Meters
from worker.contract.metrics import CLOSES


def create_app() -> Flask:
    """Make the application from the environment: REDIS_URL, RELAY_LIMITS, WEB_ORIGINS."""
    app = Flask(__name__)
    limits = RelayLimits(**json.loads(os.environ.get("RELAY_LIMITS", "{}")))
    meters = Meters()
    relay = Relay(Environment(os.environ).redis_url(), limits=limits, meters=meters)
    origins = frozenset(os.environ.get("WEB_ORIGINS", "").split())
    sockets.register(app, relay, identify=find_visitor, allowed_origins=origins)

    @app.get("/runs/<run_id>/events")
    def follow(run_id: str) -> Response:
        after = request.args.get("after", "0")
        return sockets.open_event_stream(run_id, after, visitor=find_visitor(request) or sockets.Visitor(""))

    @app.get("/hold")
    def hold() -> str:
        """A request that takes its time."""
        time.sleep(float(request.args["seconds"]))
        return "done"

    @app.get("/state")
    def show_state() -> dict[str, Any]:
        return {
            "viewers": relay.viewers,
            "is_listening": relay.is_listening,
            "closed": {" ".join(labels): count for labels, count in meters.snapshot().counters.get(CLOSES.name, [])},
            "os_threads": threading.active_count(),
            "pid": os.getpid(),
        }

    return app


def find_visitor(request: Request) -> sockets.Visitor | None:
    if (name := request.headers.get("X-User")) is None:
        return None
    seconds = request.headers.get("X-Seconds")
    return sockets.Visitor(name, int((time.time() + float(seconds)) * 1000) if seconds else 0)
