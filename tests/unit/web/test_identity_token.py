"""Which signed tokens are believed. Keys are real, signatures too."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Request
from werkzeug.test import EnvironBuilder

from tests.support.issuer import (
    AUDIENCE,
    ISSUER,
    claims,
    ec_key,
    forged,
    public_pem,
    rsa_key,
    signed,
    signed_with_public_key,
)
from web.identity.token import Token
from web.identity.user import User
from web.identity_settings import IdentitySettings
from worker.contract.environment import Environment

SECRET = "a secret that issuer and server share"
KEY = rsa_key()
OTHER_KEY = rsa_key()

Claims = dict[str, Any]


def token_way(**environ: str) -> Token:
    settings = IdentitySettings.from_env(env := Environment(environ))
    env.check()
    assert settings.token is not None
    return Token(settings.token, settings.operators)


def by_secret(**changed: str) -> Token:
    return token_way(JWT_SECRET=SECRET, JWT_AUDIENCE=AUDIENCE, JWT_ISSUER=ISSUER, **changed)


@pytest.fixture
def by_public_key(tmp_path: Path) -> Token:
    file = tmp_path / "key.pem"
    file.write_text(public_pem(KEY))
    return token_way(JWT_PUBLIC_KEY_FILE=str(file), JWT_AUDIENCE=AUDIENCE, JWT_ISSUER=ISSUER)


def request(token: str = "", *, scheme: str = "Bearer", cookie: str = "") -> Request:
    headers = {}
    if token:
        headers["Authorization"] = f"{scheme} {token}"
    if cookie:
        headers["Cookie"] = cookie
    return Request(EnvironBuilder(headers=list(headers.items())).get_environ())


def found(way: Token, token: str) -> User:
    user = way.identify(request(token))
    assert user is not None
    return user


def test_a_good_token_names_its_user_and_its_end(by_public_key: Token) -> None:
    exp = int(time.time()) + 600
    good = claims(exp=exp, name="Anna Ä.")

    user = found(by_public_key, signed(good, KEY))

    assert (user.name, user.anonymous, user.is_operator) == ("Anna Ä.", False, False)
    assert user.expires_at == (exp + 30) * 1000
    assert found(by_secret(), signed(good, SECRET)).user_id == user.user_id


#: Made when the test runs: times in them are relative to that.
REFUSED: dict[str, Callable[[], Claims]] = {
    "wrong audience": lambda: claims(aud="another service"),
    "no audience": lambda: claims(aud=None),
    "wrong issuer": lambda: claims(iss="https://elsewhere.example"),
    "no issuer": lambda: claims(iss=None),
    "expired": lambda: claims(seconds=-31),
    "not yet valid": lambda: claims(nbf=time.time() + 60),
    "issued in the future": lambda: claims(iat=time.time() + 60),
    "no end": lambda: claims(exp=None),
    "no user": lambda: claims(sub=None),
    "an empty user": lambda: claims(""),
    "a user that is no text": lambda: claims(sub=7),
    "an endless end": lambda: claims(exp=float("inf")),
    "an end in milliseconds": lambda: claims(exp=time.time() * 1000),
    "an end that is no number": lambda: claims(exp="tomorrow"),
}


@pytest.mark.parametrize("said", REFUSED.values(), ids=REFUSED.keys())
def test_what_a_token_says_must_be_meant_for_us_and_now(said: Callable[[], Claims], by_public_key: Token) -> None:
    assert by_public_key.identify(request(signed(said(), KEY))) is None


def test_a_clock_may_be_half_a_minute_off(by_public_key: Token) -> None:
    said = claims(seconds=-20, nbf=time.time() + 20)

    assert by_public_key.identify(request(signed(said, KEY))) is not None


FORGED: dict[str, Callable[[], str]] = {
    "alg none": lambda: forged(claims()),
    "alg None": lambda: forged(claims(), alg="None"),
    "RS256 without a signature": lambda: forged(claims(), alg="RS256"),
    "another key": lambda: signed(claims(), OTHER_KEY),
    "the public key as an HS256 secret": lambda: signed_with_public_key(claims(), public_pem(KEY), key_id="k"),
    "another kind of key": lambda: signed(claims(), ec_key()),
    "an algorithm that is not allowed": lambda: signed(claims(), KEY, alg="RS384"),
    "a changed payload": lambda: changed(signed(claims(), KEY)),
    "huge": lambda: signed(claims(more="x" * 9000), KEY),
    "two parts": lambda: "a.b",
    "no token at all": lambda: "nonsense",
    "umlauts": lambda: "ä.ö.ü",
    "a list as its header": lambda: with_header(b"[]"),
    "deep nesting": lambda: with_header(b"[" * 5000),
    "an algorithm that is a list": lambda: with_header(b'{"alg":["RS256"]}'),
}


def with_header(header: bytes) -> str:
    return f"{base64.urlsafe_b64encode(header).rstrip(b'=').decode()}.e30.e30"


def changed(token: str) -> str:
    head, _, signature = token.split(".")
    return f"{head}.{signed(claims('bert'), KEY).split('.')[1]}.{signature}"


@pytest.mark.parametrize("make", FORGED.values(), ids=FORGED.keys())
def test_a_forged_token_is_worth_nothing(
    make: Callable[[], str], by_public_key: Token, caplog: pytest.LogCaptureFixture
) -> None:
    token = make()
    caplog.set_level("DEBUG")

    assert by_public_key.identify(request(cookie=f"session={token}")) is None
    assert by_public_key.identify(request(token)) is None

    refusals = [vars(record) for record in caplog.records if record.name == "web.identity.token"]
    assert [refusal["action"] for refusal in refusals] == ["sign_in_refused"]
    assert token not in str(refusals)


def test_a_secret_takes_no_token_that_nobody_signed_or_that_another_secret_signed() -> None:
    way = by_secret()

    assert way.identify(request(forged(claims()))) is None
    assert way.identify(request(signed(claims(), SECRET + "!"))) is None
    assert way.identify(request(signed(claims(), KEY))) is None


def test_a_token_for_another_service_is_refused_where_no_audience_is_set() -> None:
    way = token_way(JWT_SECRET=SECRET)

    assert way.identify(request(signed(claims(aud=None), SECRET))) is not None
    assert way.identify(request(signed(claims(), SECRET))) is None


def test_a_browsers_token_is_in_a_cookie_and_a_header_goes_before_it() -> None:
    way = by_secret(JWT_COOKIE="session")
    anna, bert = signed(claims("anna"), SECRET), signed(claims("bert"), SECRET)

    names = [
        user.name if (user := way.identify(one)) else None
        for one in (
            request(cookie=f"session={anna}"),
            request(bert, cookie=f"session={anna}"),
            request("broken", cookie=f"session={anna}"),
            request("b3BzOnBhc3N3b3Jk", scheme="Basic", cookie=f"session={anna}"),
            request(anna, scheme="bearer"),
            request(cookie=f"other={anna}"),
        )
    ]

    assert names == ["anna", "bert", None, "anna", "anna", None]


def test_a_user_of_one_issuer_is_not_that_of_another_and_setting_the_issuer_changes_nobody() -> None:
    def user_id(iss: str | None, **changed: str) -> str:
        return found(token_way(JWT_SECRET=SECRET, **changed), signed(claims(iss=iss, aud=None), SECRET)).user_id

    ids = [user_id("https://a.example"), user_id("https://b.example"), user_id(None)]

    assert len(set(ids)) == 3
    assert user_id("https://a.example", JWT_ISSUER="https://a.example") == ids[0]


def test_another_claim_may_name_the_user() -> None:
    way = by_secret(JWT_USER_CLAIM="uid")

    assert found(way, signed(claims(uid="u-7"), SECRET)).name == "u-7"
    assert way.identify(request(signed(claims(), SECRET))) is None


@pytest.mark.parametrize(("value", "is_operator"), [(True, True), (False, False), ("true", False), (1, False)])
def test_a_claim_that_is_true_makes_an_operator(value: object, is_operator: bool) -> None:
    way = by_secret(JWT_OPERATOR_CLAIM="ops")

    assert found(way, signed(claims(ops=value), SECRET)).is_operator is is_operator


def test_operators_are_named_by_what_tells_them_apart_not_by_the_name_they_chose() -> None:
    way = by_secret(OPERATORS="anna, bert")

    assert found(way, signed(claims("anna"), SECRET)).is_operator
    assert not found(way, signed(claims("eve", name="anna", email="anna"), SECRET)).is_operator
