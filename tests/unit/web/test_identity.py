from __future__ import annotations

import re
import time

import pytest
from flask import Request
from itsdangerous import TimestampSigner
from werkzeug.test import EnvironBuilder

from web.identity.cookie import COOKIE
from web.identity.hook import load_sign_in
from web.identity.identity import Identity
from web.identity.user import SignedIn, user_id_of
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


def by_session(request: Request) -> SignedIn | None:
    seconds = request.headers.get("X-Seconds-Left")
    return SignedIn("u-7", expires_at=time.time() + float(seconds), operator=True, shown_as="Anna") if seconds else None


def test_a_teams_own_sign_in_may_say_until_when_and_what_people_see() -> None:
    team = identity(IDENTITY="tests.unit.web.test_identity:by_session")

    user = team.identify(request(headers={"X-Seconds-Left": "60"}))

    assert user is not None
    assert (user.user_id, user.name, user.is_operator) == (user_id_of("u-7"), "Anna", True)
    assert abs(user.expires_at - (time.time() + 60) * 1000) < 5000
    assert team.identify(request(headers={"X-Seconds-Left": "-1"})) is None
    assert team.identify(request()) is None


def by_mistake(request: Request) -> object:
    name = request.headers["X-Returns"]
    return {"number": 7, "milliseconds": SignedIn("anna", time.time() * 1000)}[name]


@pytest.mark.parametrize(
    ("returned", "error", "words"),
    [("number", TypeError, "returned a int; expected"), ("milliseconds", ValueError, "expected Unix seconds")],
)
def test_a_sign_in_that_returns_something_else_is_told_so(returned: str, error: type[Exception], words: str) -> None:
    team = identity(IDENTITY="tests.unit.web.test_identity:by_mistake")

    with pytest.raises(error, match=words):
        team.identify(request(headers={"X-Returns": returned}))


def test_operators_of_a_teams_own_sign_in_are_named() -> None:
    team = identity(IDENTITY="tests.unit.web.test_identity:by_header", OPERATORS="anna, bert")

    users = [team.identify(request(headers={"X-Team-User": name})) for name in ("anna", "eve")]

    assert [user is not None and user.is_operator for user in users] == [True, False]


def test_one_name_is_another_user_for_each_way_to_sign_in() -> None:
    ids = {user_id_of("x"), user_id_of("x", "proxy"), user_id_of("x", "jwt\0https://a.example")}

    assert len(ids) == 3


@pytest.mark.parametrize("name", ["anna@example.com", "../../etc", "a}b{c", "x" * 500, "Ä"])
def test_any_name_makes_a_user_id_that_is_safe_in_keys_and_file_names(name: str) -> None:
    assert USER_ID.fullmatch(user_id_of(name))
    assert user_id_of(name) == user_id_of(name)


@pytest.mark.parametrize("path", ["no_such_module:f", "os.path:no_such_function", "os:sep"])
def test_a_sign_in_that_is_not_there_is_named_at_start(path: str) -> None:
    with pytest.raises(SettingsError, match=f"IDENTITY is '{path}'"):
        load_sign_in(path)
