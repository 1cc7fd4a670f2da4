"""Who sends the current request."""

from __future__ import annotations

from typing import cast

from flask import Flask, Response, current_app, g, request

from web.errors import Forbidden, Unauthenticated
from web.identity.identity import Identity
from web.identity.operators import CHALLENGE, is_for_operators
from web.identity.user import User

#: Endpoints that are the same for everyone, so that caches and probes get no cookie.
_PUBLIC_ENDPOINTS = frozenset({"static", "health.healthz", "health.readyz", "metrics.metrics"})
_EXTENSION = "identity"


def register_identity(app: Flask, identity: Identity) -> None:
    """Find out who sends a request before it is served, and answer new anonymous users with their cookie."""
    app.extensions[_EXTENSION] = identity

    @app.before_request
    def identify() -> None:
        public = request.endpoint is None or request.endpoint in _PUBLIC_ENDPOINTS
        g.user = None if public else identity.identify(request)

    @app.after_request
    def answer(response: Response) -> Response:
        user: User | None = g.get("user")
        if user is not None and user.needs_cookie:
            identity.set_cookie(response, user, secure=request.is_secure)
        if response.status_code == 401:
            _challenge(response, identity)
        return response


def find_user() -> User | None:
    """Say who sends the current request; None when nobody is signed in."""
    user: User | None = g.get("user")
    return user


def current_user() -> User:
    """Give the user who sends the current request.

    Raises:
        Unauthenticated: Nobody is signed in.
    """
    user = find_user()
    if user is None:
        raise Unauthenticated("You are not signed in.")
    return user


def current_user_id() -> str:
    """Give the id of the user who sends the current request.

    Raises:
        Unauthenticated: Nobody is signed in.
    """
    return current_user().user_id


def current_operator() -> User:
    """Give the operator who sends the current request: by their sign-in, or by the operators' password.

    Raises:
        Unauthenticated: Nobody is signed in, or the password would help.
        LimitReached: Too many wrong passwords came from this address.
        Forbidden: Whoever is signed in may not look inside.
    """
    user = find_user()
    if user is not None and user.is_operator:
        return user
    password = _identity().password
    if operator := password.find_operator(request, user):
        return operator
    if password.is_set and is_for_operators(request.path):
        raise Unauthenticated("This is for operators: give their password.")
    if user is None:
        raise Unauthenticated("You are not signed in.")
    words = "This is for operators. OPERATORS names them by their sign-in; OPS_PASSWORD lets in who knows it."
    raise Forbidden(words, code="not_an_operator")


def _identity() -> Identity:
    return cast(Identity, current_app.extensions[_EXTENSION])


def _challenge(response: Response, identity: Identity) -> None:
    """Say how to sign in, where a browser or a program can do that by itself."""
    if identity.password.is_set and is_for_operators(request.path):
        response.headers["WWW-Authenticate"] = CHALLENGE
    elif identity.takes_bearers:
        response.headers["WWW-Authenticate"] = "Bearer"
