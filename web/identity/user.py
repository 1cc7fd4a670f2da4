"""A user as the rest of the process knows one."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Set as AbstractSet
from typing import NamedTuple

#: For people to read; longer ones only fill the page.
_NAME_CHARACTERS = 200
#: The year 5138. A larger time was meant as milliseconds, or is a mistake, and would never end.
LAST_SECOND = 1e11


class User(NamedTuple):
    user_id: str
    anonymous: bool
    #: For people; empty when anonymous.
    name: str = ""
    #: When the sign-in ends, Unix milliseconds; 0 is never.
    expires_at: int = 0
    #: May look inside: see `request.current_operator`.
    is_operator: bool = False
    #: True when the cookie is new or old, so that the answer should carry one.
    needs_cookie: bool = False
    #: True when the request brought no valid cookie.
    is_new: bool = False


class SignedIn(NamedTuple):
    """Whom a way to sign in has found; what a team's own sign-in may return as well."""

    #: What tells this person from all others, always the same: an id rather than a name that may change hands.
    name: str
    #: When the sign-in ends, Unix seconds; None is never. Open connections are closed then, too.
    expires_at: float | None = None
    operator: bool = False
    #: What people see; empty: `name`.
    shown_as: str = ""


def user_of(found: SignedIn, *, operators: AbstractSet[str], space: str = "") -> User | None:
    """Make the user; None when the sign-in has ended.

    Args:
        operators: Names of those who may look inside, beside those whom the sign-in itself calls operators.
        space: What the name is unique in; empty is a team's own sign-in.
    """
    expires_at = round(found.expires_at * 1000) if found.expires_at is not None else 0
    if not found.name or (expires_at and expires_at <= time.time() * 1000):
        return None
    return User(
        user_id_of(found.name, space),
        anonymous=False,
        name=readable(found.shown_as or found.name),
        expires_at=expires_at,
        # Never by `shown_as`, which people may choose by themselves.
        is_operator=found.operator or found.name in operators,
    )


def session_of(user: User) -> dict[str, object]:
    """What a page is told of its user."""
    return {
        "user_id": user.user_id,
        "anonymous": user.anonymous,
        "name": user.name,
        "expires_at": user.expires_at,
        "operator": user.is_operator,
    }


def user_id_of(name: str, space: str = "") -> str:
    """Make our user id from a name that a sign-in gives; the same name in the same space gives the same id.

    Hashed, since user ids become parts of Redis keys and of a worker's file names: they must have one harmless form,
    and nobody's address should be in a key.
    """
    whole = f"{space}\0{name}" if space else name
    return f"usr_{hashlib.sha256(whole.encode()).hexdigest()[:32]}"


def readable(name: str) -> str:
    """Make a name fit for a page and a log line."""
    return "".join(letter for letter in name if letter.isprintable())[:_NAME_CHARACTERS]
