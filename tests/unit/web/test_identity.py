from __future__ import annotations

import re

import pytest
from flask import Request
from itsdangerous import TimestampSigner
from werkzeug.test import EnvironBuilder

from web.identity import COOKIE, Identity, load_sign_in, user_id_of
from web.settings import WebSettings
from worker.contract.environment import SettingsError

SECRET = "k" * 32
USER_ID = re.compile(r"usr_[0-9a-f]{32}")


def identity(**environ: str) -> Identity:
    return Identity(WebSettings.from_env({"REDIS_URL": "redis://localhost", "SECRET_KEY": SECRET, **environ}))


def request(cookie: str = "", *, headers: dict[str, str] | None = None) -> Request:
    sent = dict(headers or {})
    if cookie:
        sent["Cookie"] = f"{COOKIE}={cookie}"
    return Request(EnvironBuilder(headers=list(sent.items())).get_environ())


def signed(user_id: str, *, secret: str = SECRET) -> str:
    return TimestampSigner(secret, salt=COOKIE).sign(user_id).decode()


def test_a_new_visitor_gets_an_id_of_their_own() -> None:
    first, second = identity().identify(request()), identity().identify(request())

    assert first is not None
    assert second is not None
    assert USER_ID.fullmatch(first.user_id)
    assert first.user_id != second.user_id
    assert first.anonymous
    assert first.needs_cookie


def test_a_visitor_who_comes_back_is_known() -> None:
    user = identity().identify(request(signed("usr_1")))

    assert user is not None
    assert (user.user_id, user.needs_cookie) == ("usr_1", False)


@pytest.mark.parametrize(
    "cookie",
    ["usr_1", signed("usr_1", secret="x" * 32), signed("usr_1").replace("usr_1", "usr_2"), "..", "%00"],
    # A signature holds the time: without names of their own, two test processes would collect different tests.
    ids=["unsigned", "other_secret", "other_user", "dots", "nul"],
)
def test_a_forged_cookie_is_worth_nothing(cookie: str) -> None:
    user = identity().identify(request(cookie))

    assert user is not None
    assert user.user_id not in ("usr_1", "usr_2")
    assert user.needs_cookie


def by_header(request: Request) -> str | None:
    return request.headers.get("X-Team-User")


def test_a_teams_own_sign_in_decides() -> None:
    team = identity(IDENTITY="tests.unit.web.test_identity:by_header")

    user = team.identify(request(headers={"X-Team-User": "anna@example.com"}))

    assert user is not None
    assert user.user_id == user_id_of("anna@example.com")
    assert not user.anonymous
    assert not user.needs_cookie
    assert team.identify(request(signed("usr_1"))) is None


@pytest.mark.parametrize("name", ["anna@example.com", "../../etc", "a}b{c", "x" * 500, "Ä"])
def test_any_name_makes_a_user_id_that_is_safe_in_keys_and_file_names(name: str) -> None:
    assert USER_ID.fullmatch(user_id_of(name))
    assert user_id_of(name) == user_id_of(name)


@pytest.mark.parametrize("path", ["no_such_module:f", "os.path:no_such_function", "os:sep"])
def test_a_sign_in_that_is_not_there_is_named_at_start(path: str) -> None:
    with pytest.raises(SettingsError, match=f"IDENTITY is '{path}'"):
        load_sign_in(path)
