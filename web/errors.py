"""What a request can be refused for. Every one becomes `{"error": {"code", "message", "detail"}}` with its status.

WebError
├── MalformedRequest    400  not what HTTP or JSON ask for
├── Unauthenticated     401  nobody is signed in
├── Forbidden           403  a page of another origin, or somebody who is no operator
├── NotFound            404  absent, or someone else's: the same answer
├── Conflict            409  at odds with what is stored
├── TooLarge            413  a body, or all of a user's files
├── UnsupportedType     415  a kind of content that is not read here
├── Unprocessable       422  well-formed, but the content is refused
├── LimitReached        429  too much at once from one user
└── Unavailable         503  a part that is needed is away; trying again helps
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

#: JSON object with facts for a program, beside the sentence for a person.
Detail = Mapping[str, Any]


class WebError(Exception):
    """Base class of all refusals. The message is a sentence for a person."""

    status: ClassVar[int] = 500
    default_code: ClassVar[str] = "internal_error"

    def __init__(self, message: str, *, code: str = "", detail: Detail | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.default_code
        self.detail = detail


class MalformedRequest(WebError):
    """Raised when the request is not what HTTP or JSON ask for."""

    status = 400
    default_code = "malformed_request"


class Unauthenticated(WebError):
    """Raised when the sign-in names nobody."""

    status = 401
    default_code = "unauthenticated"


class Forbidden(WebError):
    """Raised when a page of another origin wants to change something, or somebody to see what is for operators."""

    status = 403
    default_code = "forbidden"


class NotFound(WebError):
    """Raised when a thing is absent or belongs to someone else; nobody learns which."""

    status = 404
    default_code = "not_found"


class Conflict(WebError):
    """Raised when the request is at odds with what is stored."""

    status = 409
    default_code = "conflict"


class TooLarge(WebError):
    """Raised when a body, a file or all of a user's files are over their limit."""

    status = 413
    default_code = "too_large"


class UnsupportedType(WebError):
    """Raised when content of this kind is not read here."""

    status = 415
    default_code = "unsupported_type"


class Unprocessable(WebError):
    """Raised when the request is well-formed and its content is refused."""

    status = 422
    default_code = "invalid_request"


class LimitReached(WebError):
    """Raised when one user wants too much at once."""

    status = 429
    default_code = "limit_reached"


class Unavailable(WebError):
    """Raised when a part that is needed is away; trying again helps."""

    status = 503
    default_code = "unavailable"
