"""Anonymous users: a signed cookie is all that one has."""

from __future__ import annotations

from flask import Request, Response
from itsdangerous import BadSignature, TimestampSigner

from web.identity.user import User
from web.ids import new_user_id
from worker.contract.environment import Secret

COOKIE = "outloud_user"
#: As long as browsers keep one, and renewed: an anonymous user has no other way back to their threads.
_COOKIE_SECONDS = 400 * 86_400
_RENEW_SECONDS = 30 * 86_400


class AnonymousCookie:
    """Makes anonymous users and knows them again. For use by many OS threads."""

    def __init__(self, secret_key: Secret) -> None:
        self._signer = TimestampSigner(secret_key.reveal(), salt=COOKIE)

    def identify(self, request: Request) -> User:
        """Say who sends this request: a new user, if the cookie is not ours."""
        try:
            value, signed_at = self._signer.unsign(
                request.cookies.get(COOKIE, ""), max_age=_COOKIE_SECONDS, return_timestamp=True
            )
        except BadSignature:
            return User(new_user_id(), anonymous=True, needs_cookie=True, is_new=True)
        age = self._signer.get_timestamp() - signed_at.timestamp()
        return User(value.decode(), anonymous=True, needs_cookie=age > _RENEW_SECONDS)

    def hand_out(self, response: Response, user: User, *, secure: bool) -> None:
        """Give the browser the cookie that names this user from now on."""
        value = self._signer.sign(user.user_id).decode()
        response.set_cookie(COOKIE, value, max_age=_COOKIE_SECONDS, secure=secure, httponly=True, samesite="Lax")
