"""Who sends a request: a team's own sign-in when IDENTITY names it, else an anonymous user kept by a signed cookie.

A team's function is given the Flask request and returns a user id of its own, any text, or None for nobody. What it
returns is hashed: user ids become parts of Redis keys and of a worker's file names, so they must have one harmless
form, and nobody's address should be in a key.
"""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Callable
from typing import NamedTuple

from flask import Flask, Request, Response, g, request
from itsdangerous import BadSignature, TimestampSigner

from web.errors import Unauthenticated
from web.ids import new_user_id
from web.settings import WebSettings
from worker.contract.environment import SettingsError

COOKIE = "outloud_user"
#: As long as browsers keep one, and renewed: an anonymous user has no other way back to their threads.
_COOKIE_SECONDS = 400 * 86_400
_RENEW_SECONDS = 30 * 86_400
#: Endpoints that are the same for everyone, so that caches and probes get no cookie.
_PUBLIC_ENDPOINTS = frozenset({"static", "health.healthz", "health.readyz"})

SignIn = Callable[[Request], str | None]


class User(NamedTuple):
    user_id: str
    anonymous: bool
    #: True when the cookie is new or old, so that the answer should carry one.
    needs_cookie: bool = False
    #: True when the request brought no valid cookie.
    is_new: bool = False


class Identity:
    """Tells users apart. For use by many OS threads."""

    def __init__(self, settings: WebSettings) -> None:
        self._signer = TimestampSigner(settings.secret_key.reveal(), salt=COOKIE)
        self._sign_in = load_sign_in(settings.identity) if settings.identity else None

    def identify(self, request: Request) -> User | None:
        """Say who sends this request; None when the team's sign-in names nobody."""
        if self._sign_in is None:
            return self._anonymous(request.cookies.get(COOKIE, ""))
        name = self._sign_in(request)
        return User(user_id_of(name), anonymous=False) if name else None

    def set_cookie(self, response: Response, user: User, *, secure: bool) -> None:
        """Give the browser the cookie that names this user from now on."""
        value = self._signer.sign(user.user_id).decode()
        response.set_cookie(COOKIE, value, max_age=_COOKIE_SECONDS, secure=secure, httponly=True, samesite="Lax")

    def _anonymous(self, cookie: str) -> User:
        try:
            value, signed_at = self._signer.unsign(cookie, max_age=_COOKIE_SECONDS, return_timestamp=True)
        except BadSignature:
            return User(new_user_id(), anonymous=True, needs_cookie=True, is_new=True)
        age = self._signer.get_timestamp() - signed_at.timestamp()
        return User(value.decode(), anonymous=True, needs_cookie=age > _RENEW_SECONDS)


def load_sign_in(path: str) -> SignIn:
    """Import the team's function, `module:function`.

    Raises:
        SettingsError: It is not there.
    """
    module_name, _, name = path.partition(":")
    try:
        found = getattr(importlib.import_module(module_name), name)
    except (ImportError, AttributeError) as error:
        raise SettingsError([f"IDENTITY is {path!r}, which cannot be imported: {error}"]) from error
    if not callable(found):
        raise SettingsError([f"IDENTITY is {path!r}, which is not a function"])
    sign_in: SignIn = found
    return sign_in


def user_id_of(name: str) -> str:
    """Make our user id from a team's own; the same name gives the same id."""
    return f"usr_{hashlib.sha256(name.encode()).hexdigest()[:32]}"


def register_identity(app: Flask, identity: Identity) -> None:
    """Find out who sends a request before it is served, and answer new anonymous users with their cookie."""

    @app.before_request
    def identify() -> None:
        public = request.endpoint is None or request.endpoint in _PUBLIC_ENDPOINTS
        g.user = None if public else identity.identify(request)

    @app.after_request
    def set_cookie(response: Response) -> Response:
        user: User | None = g.get("user")
        if user is not None and user.needs_cookie:
            identity.set_cookie(response, user, secure=request.is_secure)
        return response


def find_user() -> User | None:
    """Say who sends the current request; None when nobody is signed in."""
    user: User | None = g.get("user")
    return user


def current_user_id() -> str:
    """Give the id of the user who sends the current request.

    Raises:
        Unauthenticated: Nobody is signed in.
    """
    user = find_user()
    if user is None:
        raise Unauthenticated("You are not signed in.")
    return user.user_id
