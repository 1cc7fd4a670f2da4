"""The web process's own log lines: one per request, with its figures. How lines look is in `worker.contract.log_lines`.

Every line that is written for a request has its `request_id`, as the platform's router named it, and the ids of its
route; the answer carries it too.
"""

from __future__ import annotations

import logging
import re
import secrets
import time

from flask import Flask, Response, g, request

from worker.contract.log_lines import bind, unbind
from worker.contract.metric import Meter
from worker.contract.metrics import HTTP_REQUESTS, HTTP_SECONDS

logger = logging.getLogger(__name__)

#: Asked every few seconds by the platform; "not ready" is an answer there and no fault.
_SILENT_ENDPOINTS = frozenset({"health.healthz", "health.readyz", "metrics.metrics"})
#: Asked once per file of the page, or told by the relay.
_QUIET_ENDPOINTS = frozenset({"static", "follow_runs"})
_ID = re.compile(r"[\w.:-]{1,128}", re.ASCII)
#: A client may send any word.
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def register_request_log(app: Flask, meter: Meter) -> None:
    """Write one line per request: the route, not the address, since that may hold what someone typed."""

    @app.before_request
    def begin() -> None:
        g.started_at = time.perf_counter()
        g.request_id = _request_id()
        g.log_facts = _route_ids()
        bind(request_id=g.request_id, **g.log_facts)

    @app.after_request
    def log_request(response: Response) -> Response:
        seconds = time.perf_counter() - g.started_at
        route = request.url_rule.rule if request.url_rule else "none"
        method = request.method if request.method in _METHODS else "other"
        meter.count(HTTP_REQUESTS, route, method, str(response.status_code))
        meter.observe(HTTP_SECONDS, seconds, route)
        response.headers["X-Request-ID"] = g.request_id
        is_fault = response.status_code >= 500 and request.endpoint not in _SILENT_ENDPOINTS
        if is_fault or request.endpoint not in _QUIET_ENDPOINTS | _SILENT_ENDPOINTS:
            facts = {"action": "request", "method": method, "route": route, "status": response.status_code}
            logger.info("request", extra={**facts, "duration_ms": round(seconds * 1000, 1), **g.log_facts})
        return response

    @app.teardown_request
    def end(error: BaseException | None) -> None:
        # The next request of this OS thread is another one.
        unbind()


def add_to_log(**facts: str) -> None:
    """Give these facts to the lines of the current request, such as which run it has made."""
    bind(**facts)
    g.log_facts.update(facts)


def _request_id() -> str:
    given = request.headers.get("X-Request-ID", "")
    return given if _ID.fullmatch(given) else secrets.token_hex(8)


def _route_ids() -> dict[str, str]:
    """Which run, thread, file or call: not what someone typed in the place of one."""
    given = request.view_args or {}
    return {name: str(value) for name, value in given.items() if name.endswith("_id") and _ID.fullmatch(str(value))}
