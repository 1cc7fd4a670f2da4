"""The web process's own log lines: one per request. How lines look is in `worker.contract.log_lines`."""

from __future__ import annotations

import logging
import time

from flask import Flask, Response, g, request

logger = logging.getLogger(__name__)

#: Asked every few seconds by the platform; "not ready" is an answer there and no fault.
_SILENT_ENDPOINTS = frozenset({"health.healthz", "health.readyz", "metrics.metrics"})
#: Asked once per file of the page, or told by the relay.
_QUIET_ENDPOINTS = frozenset({"static", "follow_runs"})


def register_request_log(app: Flask) -> None:
    """Write one line per request: the route, not the address, since that may hold what someone typed."""

    @app.before_request
    def start_clock() -> None:
        g.started_at = time.perf_counter()

    @app.after_request
    def log_request(response: Response) -> Response:
        is_fault = response.status_code >= 500 and request.endpoint not in _SILENT_ENDPOINTS
        if is_fault or request.endpoint not in _QUIET_ENDPOINTS | _SILENT_ENDPOINTS:
            logger.info("request", extra=_facts_of(response))
        return response


def _facts_of(response: Response) -> dict[str, object]:
    return {
        "action": "request",
        "method": request.method,
        "route": request.url_rule.rule if request.url_rule else "none",
        "status": response.status_code,
        "duration_ms": round((time.perf_counter() - g.started_at) * 1000, 1),
        # The ids of the route: which run, thread, file or call.
        **(request.view_args or {}),
    }
