"""A small application with nothing but the relay's doors, for tests of the relay under a real gunicorn.

The user is whoever the header `X-User` names. `RELAY_LIMITS` holds limits as JSON that differ from the defaults.
"""

from __future__ import annotations

import json
import os
import threading
import time
from typing import Any

from flask import Flask, Response, request

from web import sockets
from web.relay.limits import RelayLimits
from web.relay.relay import Relay


def create_app() -> Flask:
    """Make the application from the environment: REDIS_URL, RELAY_LIMITS, WEB_ORIGINS."""
    app = Flask(__name__)
    relay = Relay(os.environ["REDIS_URL"], limits=RelayLimits(**json.loads(os.environ.get("RELAY_LIMITS", "{}"))))
    origins = frozenset(os.environ.get("WEB_ORIGINS", "").split())
    sockets.register(app, relay, identify=lambda request: request.headers.get("X-User"), allowed_origins=origins)

    @app.get("/runs/<run_id>/events")
    def follow(run_id: str) -> Response:
        after = request.args.get("after", "0")
        return sockets.open_event_stream(run_id, after, user_id=request.headers.get("X-User", ""))

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
            "os_threads": threading.active_count(),
            "pid": os.getpid(),
        }

    return app
