"""Signed tokens (JWT), from an Authorization header or a cookie. A token is never logged, nor any part of one."""

from __future__ import annotations

import logging
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from typing import Any

import jwt
from flask import Request
from jwt.exceptions import PyJWTError

from web.identity.keys import IssuerKeys, UnknownKey
from web.identity.user import LAST_SECOND, SignedIn, User, user_of
from web.token_settings import TokenSettings

logger = logging.getLogger(__name__)

#: Larger ones do not fit into a request's head anyhow.
_MAX_CHARACTERS = 8192
#: What issuers call the name for people, the best first. None of them decides anything.
_SHOWN_CLAIMS = ("name", "preferred_username", "email")


class Token:
    """Checks tokens. For use by many OS threads."""

    def __init__(self, settings: TokenSettings, operators: AbstractSet[str]) -> None:
        self._settings = settings
        self._operators = operators
        self._find_key = _key_finder(settings)

    def identify(self, request: Request) -> User | None:
        """Say who sends this request; None without a token, or with one that does not hold.

        Raises:
            Unavailable: The issuer's keys cannot be had at the moment.
        """
        token = self._token_of(request)
        if not token:
            return None
        try:
            return self._read(self._claims_of(token))
        except (PyJWTError, UnknownKey, ValueError, TypeError) as error:
            # The name of the error only: its words may hold a part of the token.
            facts = {"action": "sign_in_refused", "reason": type(error).__name__}
            logger.info("sign-in refused", extra=facts)
            return None

    def _token_of(self, request: Request) -> str:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return token.strip()
        return request.cookies.get(self._settings.cookie, "") if self._settings.cookie else ""

    def _claims_of(self, token: str) -> dict[str, Any]:
        if len(token) > _MAX_CHARACTERS:
            raise ValueError("too long")
        settings = self._settings
        header = jwt.get_unverified_header(token)
        # Before a key is looked for: a token that cannot hold must not cost the issuer a question.
        if header.get("alg") not in settings.algorithms:
            raise jwt.InvalidAlgorithmError
        claims: dict[str, Any] = jwt.decode(
            token,
            self._find_key(header.get("kid")),
            algorithms=settings.algorithms,
            audience=settings.audience or None,
            issuer=settings.issuer or None,
            leeway=settings.leeway_seconds,
            options={"require": ["exp", settings.user_claim], "enforce_minimum_key_length": True},
        )
        return claims

    def _read(self, claims: dict[str, Any]) -> User | None:
        settings = self._settings
        name = claims[settings.user_claim]
        if not isinstance(name, str) or not 0 <= claims["exp"] < LAST_SECOND:
            raise TypeError
        shown = (claims.get(claim) for claim in _SHOWN_CLAIMS)
        found = SignedIn(
            name,
            # Connections live as long as calls are answered: both bear with the same difference of clocks.
            expires_at=claims["exp"] + settings.leeway_seconds,
            operator=bool(settings.operator_claim) and claims.get(settings.operator_claim) is True,
            shown_as=next((text for text in shown if isinstance(text, str) and text.strip()), ""),
        )
        # Two issuers may give the same name to two people.
        return user_of(found, operators=self._operators, space=f"jwt\0{claims.get('iss', '')}")


def _key_finder(settings: TokenSettings) -> Callable[[str | None], Any]:
    if settings.jwks_url:
        return IssuerKeys(settings.jwks_url).find
    key = settings.secret.reveal() or settings.public_key
    return lambda key_id: key
