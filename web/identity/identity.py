"""Tells users apart, in the one way that the settings choose."""

from __future__ import annotations

from typing import Protocol

from flask import Request, Response

from web.identity.cookie import AnonymousCookie
from web.identity.hook import Hook
from web.identity.operators import OperatorPassword
from web.identity.proxy import ProxyHeader
from web.identity.token import Token
from web.identity.user import User
from web.identity_settings import IdentitySettings
from web.settings import WebSettings


class Way(Protocol):
    """One way to sign in. For use by many OS threads."""

    def identify(self, request: Request) -> User | None: ...


class Identity:
    """For use by many OS threads."""

    def __init__(self, settings: WebSettings) -> None:
        self.password = OperatorPassword(settings.identity.ops_password)
        #: True where a program signs in with `Authorization: Bearer`.
        self.takes_bearers = settings.identity.token is not None
        self._cookie = AnonymousCookie(settings.secret_key)
        self._way = _way(settings.identity) or self._cookie

    def identify(self, request: Request) -> User | None:
        """Say who sends this request; None when the sign-in names nobody."""
        return self._way.identify(request)

    def set_cookie(self, response: Response, user: User, *, secure: bool) -> None:
        """Give the browser of an anonymous user the cookie that names them from now on."""
        self._cookie.hand_out(response, user, secure=secure)


def _way(settings: IdentitySettings) -> Way | None:
    if settings.hook:
        return Hook(settings.hook, settings.operators)
    if settings.token is not None:
        return Token(settings.token, settings.operators)
    if settings.proxy is not None:
        return ProxyHeader(settings.proxy, settings.operators)
    return None
