"""Headers of every answer that keep a browser from doing more with it than was meant."""

from __future__ import annotations

from flask import Flask, Response, request

#: Text of models and tools ends up in the page. Even if some of it slipped through as markup, no script of it would run
#: and nothing could be sent elsewhere. `'self'` covers our own `ws:` and `wss:` addresses in every browser since 2022.
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'self'",
        "connect-src 'self'",
        "img-src 'self' data:",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)

_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def register_headers(app: Flask) -> None:
    """Add the headers to every answer, and say what may be kept."""

    @app.after_request
    def add_headers(response: Response) -> Response:
        for name, value in _HEADERS.items():
            response.headers.setdefault(name, value)
        if request.endpoint != "static":
            # Answers belong to one person and change at any time.
            response.headers.setdefault("Cache-Control", "no-store")
        return response
