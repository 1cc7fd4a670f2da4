"""How the API answers: values as JSON, and every refusal in one shape."""

from __future__ import annotations

import logging
import secrets
from typing import Any

from flask import Flask, Response, request
from redis.exceptions import RedisError
from werkzeug.exceptions import HTTPException

from web.errors import Unavailable, WebError
from web.stores.client import is_away
from worker.contract import codec

logger = logging.getLogger(__name__)

#: Prefix of the calls whose errors are JSON; all else is looked at by people.
API_PREFIX = "/api/"
_RETRY_SECONDS = 2

#: Werkzeug's refusals by status; those not listed have their own name as the code.
_CODES = {404: "not_found", 405: "method_not_allowed", 413: "too_large", 415: "unsupported_type"}


def json_answer(value: Any, status: int = 200) -> Response:
    """Answer with any value of the contract as JSON."""
    return json_bytes(codec.encode(value), status)


def json_bytes(body: bytes, status: int = 200) -> Response:
    """Answer with JSON that is written already."""
    return Response(body, status, mimetype="application/json")


def register_errors(app: Flask) -> None:
    """Turn everything that a request may raise into an answer; nothing of a traceback leaves the process."""
    app.register_error_handler(WebError, refuse)
    app.register_error_handler(HTTPException, _refuse_http)
    app.register_error_handler(RedisError, _refuse_store)
    app.register_error_handler(Exception, _fail)


def refuse(error: WebError) -> Response:
    """Answer with a refusal."""
    response = _shape(error.status, error.code, error.message, error.detail)
    if isinstance(error, Unavailable):
        response.headers["Retry-After"] = str(_RETRY_SECONDS)
    return response


def _refuse_http(error: HTTPException) -> Any:
    # A redirect is an HTTPException as well, and no error.
    if error.code is None or error.code < 400:
        return error
    code = _CODES.get(error.code, error.name.lower().replace(" ", "_"))
    response = _shape(error.code, code, error.description or error.name, None)
    if allowed := getattr(error, "valid_methods", None):
        response.headers["Allow"] = ", ".join(sorted(allowed))
    return response


def _refuse_store(error: RedisError) -> Response:
    if not is_away(error):
        return _fail(error)
    logger.warning(
        "store away", extra={"action": "store_away", "route": _route(), "reason": f"{type(error).__name__}: {error}"}
    )
    return refuse(
        Unavailable(
            "The store cannot be reached at the moment; try again.",
            code="store_unavailable",
            detail={"retryable": True},
        )
    )


def _fail(error: Exception) -> Response:
    error_id = secrets.token_hex(6)
    facts = {"action": "request_failed", "error_id": error_id, "method": request.method, "route": _route()}
    logger.error("request failed", exc_info=error, extra=facts)
    return _shape(500, "internal_error", "Something went wrong here; the log knows more.", {"error_id": error_id})


def _route() -> str:
    """Not the path: someone may have typed it."""
    return request.url_rule.rule if request.url_rule else "none"


def _shape(status: int, code: str, message: str, detail: Any) -> Response:
    if request.path.startswith(API_PREFIX):
        return json_answer({"error": {"code": code, "message": message, "detail": detail}}, status)
    return Response(f"{message}\n", status, mimetype="text/plain")
