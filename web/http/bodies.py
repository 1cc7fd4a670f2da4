"""Reads requests' bodies: JSON strictly, and what is left of a refused one so that the client can hear the refusal."""

from __future__ import annotations

import re
import time
from typing import IO, TypeVar

import msgspec
from flask import Flask, Request, Response
from flask import request as current_request
from werkzeug.exceptions import RequestEntityTooLarge

from web.errors import MalformedRequest, TooLarge, Unprocessable, UnsupportedType

T = TypeVar("T")

#: Several times the largest file; whoever sends more is cut off.
_DRAIN_BYTES = 128 * 1024 * 1024
_DRAIN_SECONDS = 10.0
_CHUNK_BYTES = 65_536

#: Where msgspec says which field it means: a path, or a field that is missing or unknown.
_FIELD = re.compile(r"`\$\.([^`]+)`|field `([^`]+)`")


def read_json(request: Request, body_type: type[T], *, max_bytes: int) -> T:
    """Read the body as `body_type`; never more than `max_bytes` of it.

    Raises:
        UnsupportedType: The content type is not JSON.
        MalformedRequest: The body is not JSON text.
        Unprocessable: A field is missing, unknown or of a wrong type; `detail.field` names it.
        TooLarge: The body is larger than `max_bytes`.
    """
    if request.mimetype != "application/json":
        raise UnsupportedType(f"The body must be application/json, not {request.mimetype[:60] or 'unnamed'}.")
    # One more than may come: a body of unknown length that is cut at the limit would look like broken JSON.
    request.max_content_length = max_bytes + 1
    try:
        body = request.get_data(cache=False)
    except RequestEntityTooLarge as error:
        raise _too_large(max_bytes) from error
    if len(body) > max_bytes:
        raise _too_large(max_bytes)
    try:
        return msgspec.json.decode(body, type=body_type)
    except msgspec.ValidationError as error:
        field = _FIELD.search(str(error))
        detail = {"field": field[1] or field[2]} if field else None
        raise Unprocessable(f"{error}.", detail=detail) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedRequest(f"The body is not JSON: {error}.", code="malformed_json") from error


def _too_large(max_bytes: int) -> TooLarge:
    return TooLarge(f"The body is larger than {max_bytes:,} bytes.", detail={"limit_bytes": max_bytes})


def register_drain(app: Flask) -> None:
    """Read on when a request is refused in the middle of its body.

    Clients send all of their body before they look for an answer. If the server closes while they send, what they get
    is a broken connection instead of "the file is larger than 20 MB".
    """

    @app.after_request
    def drain(response: Response) -> Response:
        # Only where the server marks the body's end; elsewhere a read would wait for bytes that never come.
        if response.status_code >= 400 and current_request.environ.get("wsgi.input_terminated"):
            _drain(current_request.environ["wsgi.input"])
        return response


def _drain(stream: IO[bytes]) -> None:
    # A read waits for the client; where that takes too long, `request_deadline` ends it.
    deadline = time.monotonic() + _DRAIN_SECONDS
    left = _DRAIN_BYTES
    while left > 0 and time.monotonic() < deadline:
        chunk = stream.read(_CHUNK_BYTES)
        if not chunk:
            return
        left -= len(chunk)
