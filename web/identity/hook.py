"""A team's own sign-in: one function of theirs, named by IDENTITY."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from collections.abc import Set as AbstractSet

from flask import Request

from web.identity.user import LAST_SECOND, SignedIn, User, user_of
from worker.contract.environment import SettingsError

SignIn = Callable[[Request], str | SignedIn | None]


class Hook:
    """Asks the team's function, which returns an id of its own, any text, or a `SignedIn`, or None for nobody."""

    def __init__(self, path: str, operators: AbstractSet[str]) -> None:
        self._path = path
        self._sign_in = load_sign_in(path)
        self._operators = operators

    def identify(self, request: Request) -> User | None:
        """Say who sends this request; None is nobody.

        Raises:
            TypeError: The function returned something else.
            ValueError: … or a time that is not in seconds.
        """
        found: object = self._sign_in(request)
        if found is None or found == "":
            return None
        if isinstance(found, str):
            found = SignedIn(found)
        if not isinstance(found, SignedIn):
            raise TypeError(f"{self._path} returned a {type(found).__name__}; expected a text, a SignedIn or None")
        if found.expires_at is not None and found.expires_at > LAST_SECOND:
            raise ValueError(f"{self._path} returned an expires_at of {found.expires_at}; expected Unix seconds")
        return user_of(found, operators=self._operators)


def load_sign_in(path: str) -> SignIn:
    """Import the team's function, `module:function`.

    Raises:
        SettingsError: It is not there.
    """
    module_name, _, name = path.partition(":")
    try:
        found = getattr(importlib.import_module(module_name), name)
    except Exception as error:
        raise SettingsError([f"IDENTITY is {path!r}, which cannot be imported: {error}"]) from error
    if not callable(found):
        raise SettingsError([f"IDENTITY is {path!r}, which is not a function"])
    sign_in: SignIn = found
    return sign_in
