"""Which pages may use a person's cookie: our own, under the names that the request or WEB_ORIGINS gives them.

The attack: a page of someone else's lets its visitor's browser send a request here, with the visitor's cookie. Browsers
name the page's origin in every request that is not a plain read, and in every WebSocket handshake.
"""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import urlsplit

from flask import Flask, request

from web.errors import Forbidden

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def is_own_origin(origin: str, *, host: str, allowed: Collection[str]) -> bool:
    """Whether a page of this origin may act for its visitor.

    Args:
        origin: The Origin header; `null` (a sandboxed page, a file) is never ours.
        host: Our own name and port, as the browser asked for it.
        allowed: Further origins, lower case.

    The scheme is not compared: behind a proxy that says nothing of TLS we would not know our own.
    """
    return origin.lower() in allowed or _host_of(origin) == host.lower()


def register_origin_check(app: Flask, allowed: Collection[str]) -> None:
    """Refuse requests that change something and come from a foreign page; a client that is no browser names none."""

    @app.before_request
    def check_origin() -> None:
        if request.method in _SAFE_METHODS:
            return
        origin = request.headers.get("Origin")
        if origin is None:
            foreign = request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none")
        else:
            foreign = not is_own_origin(origin, host=request.host, allowed=allowed)
        if foreign:
            shown = (origin or "an unnamed page")[:100]
            words = f"Requests from {shown} are not accepted here."
            raise Forbidden(words, code="foreign_origin", detail={"origin": shown})


def _host_of(origin: str) -> str | None:
    """Name and port of an http or https origin, lower case; None when there is none."""
    try:
        parts = urlsplit(origin.lower())
    except ValueError:
        return None
    return parts.netloc if parts.scheme in ("http", "https") and parts.netloc else None
