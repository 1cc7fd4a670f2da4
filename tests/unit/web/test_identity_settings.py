"""One way to sign in, and every mistake named at start."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.issuer import public_pem, rsa_key
from web.identity_settings import IdentitySettings
from worker.contract.environment import Environment

JWKS = {"JWT_JWKS_URL": "https://login.example/keys", "JWT_AUDIENCE": "outloud", "JWT_ISSUER": "https://login.example"}
PROXY = {"PROXY_USER_HEADER": "X-Forwarded-User", "PROXY_ADDRESSES": "10.0.0.1"}


def problems(**environ: str) -> list[str]:
    env = Environment(environ)
    IdentitySettings.from_env(env)
    return env.problems


def test_without_any_setting_users_are_anonymous() -> None:
    assert problems() == []
    assert IdentitySettings.from_env(Environment({})) == IdentitySettings()


@pytest.mark.parametrize(
    "environ",
    [
        JWKS,
        PROXY,
        {"IDENTITY": "team.auth:user"},
        {"JWT_SECRET": "s" * 32},
        {"JWT_SECRET": "s" * 64, "JWT_ALGORITHMS": "HS512"},
        {**JWKS, "JWT_JWKS_URL": "http://127.0.0.1:9000/keys", "JWT_ALGORITHMS": "PS256"},
        {**PROXY, "PROXY_ADDRESSES": "10.0.0.0/8, ::1", "OPERATORS": "anna", "SIGN_IN_URL": "/oauth2/start?rd={next}"},
        {"OPS_PASSWORD": "p" * 16},
    ],
)
def test_one_way_to_sign_in_is_enough(environ: dict[str, str]) -> None:
    assert problems(**environ) == []


@pytest.mark.parametrize(
    ("environ", "problem"),
    [
        ({**JWKS, **PROXY}, "signed tokens (JWT_…) and PROXY_USER_HEADER are set; expected one way to sign in"),
        ({**PROXY, "IDENTITY": "a:b"}, "IDENTITY and PROXY_USER_HEADER are set; expected one way to sign in"),
        ({**JWKS, "JWT_SECRET": "s" * 32}, "JWT_JWKS_URL and JWT_SECRET are set; expected one key"),
        ({"JWT_SECRET": "s" * 31}, "JWT_SECRET has 31 bytes; expected at least 32 for HS256"),
        ({"JWT_SECRET": "s" * 32, "JWT_ALGORITHMS": "HS512"}, "JWT_SECRET has 32 bytes; expected at least 64"),
        ({"JWT_SECRET": "s" * 32, "JWT_ALGORITHMS": "RS256"}, "JWT_ALGORITHMS has 'RS256'; expected some of HS256"),
        ({**JWKS, "JWT_ALGORITHMS": "RS256, HS256"}, "JWT_ALGORITHMS has 'HS256'; expected some of ES256"),
        ({**JWKS, "JWT_ALGORITHMS": "none"}, "JWT_ALGORITHMS has 'none'; expected some of"),
        ({**JWKS, "JWT_AUDIENCE": ""}, "JWT_AUDIENCE is not set, which JWT_JWKS_URL needs"),
        ({**JWKS, "JWT_ISSUER": ""}, "JWT_ISSUER is not set, which JWT_JWKS_URL needs"),
        ({**JWKS, "JWT_JWKS_URL": "http://login.example/keys"}, "JWT_JWKS_URL is not taken"),
        ({**JWKS, "JWT_JWKS_URL": "file:///etc/keys"}, "JWT_JWKS_URL is not taken"),
        ({**JWKS, "JWT_COOKIE": "a=b"}, "JWT_COOKIE is 'a=b'; expected the name of a cookie"),
        ({**JWKS, "JWT_LEEWAY_SECONDS": "-1"}, "JWT_LEEWAY_SECONDS is -1; expected a whole number from 0"),
        ({"JWT_AUDIENCE": "outloud"}, "JWT_AUDIENCE is set without a key; expected one of JWT_JWKS_URL"),
        ({"PROXY_USER_HEADER": "X-User"}, "PROXY_ADDRESSES is not set, which PROXY_USER_HEADER needs"),
        ({"PROXY_ADDRESSES": "10.0.0.1"}, "PROXY_USER_HEADER is not set, which PROXY_ADDRESSES needs"),
        ({**PROXY, "PROXY_USER_HEADER": "X User:"}, "PROXY_USER_HEADER is 'X User:'; expected a header's name"),
        ({**PROXY, "PROXY_ADDRESSES": "proxy.internal"}, "PROXY_ADDRESSES has 'proxy.internal'; expected addresses"),
        ({**PROXY, "PROXY_ADDRESSES": "10.0.0.1/8"}, "PROXY_ADDRESSES has '10.0.0.1/8'; expected addresses"),
        ({**PROXY, "PROXY_ADDRESSES": "0.0.0.0/0"}, "PROXY_ADDRESSES has 0.0.0.0/0, which is everybody"),
        ({**PROXY, "PROXY_ADDRESSES": "::/0"}, "PROXY_ADDRESSES has ::/0, which is everybody"),
        ({"OPS_PASSWORD": "p" * 15}, "OPS_PASSWORD has 15 characters; expected at least 16"),
        ({"OPERATORS": "anna"}, "OPERATORS is set, but users are anonymous"),
        ({"SIGN_IN_URL": "javascript:alert(1)"}, "SIGN_IN_URL is 'javascript:alert(1)'; expected an address"),
        ({"SIGN_IN_URL": "//evil.example"}, "SIGN_IN_URL is '//evil.example'; expected an address"),
        ({"SIGN_IN_URL": "/\\evil.example"}, "SIGN_IN_URL is '/\\\\evil.example'; expected an address"),
        ({"IDENTITY": "no function"}, "IDENTITY is 'no function'; expected module:function"),
    ],
)
def test_a_mistake_is_named(environ: dict[str, str], problem: str) -> None:
    (found,) = problems(**environ)

    assert found.startswith(problem)


def test_a_public_key_is_read_at_start(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.pem", tmp_path / "bad.pem"
    good.write_text(public_pem(rsa_key()))
    bad.write_text("nonsense")
    others = {"JWT_AUDIENCE": "outloud", "JWT_ISSUER": "https://login.example"}

    assert problems(**others, JWT_PUBLIC_KEY_FILE=str(good)) == []
    for file in (bad, tmp_path / "absent.pem"):
        (found,) = problems(**others, JWT_PUBLIC_KEY_FILE=str(file))
        assert "expected a public key as PEM" in found


def test_no_secret_is_printed() -> None:
    settings = IdentitySettings.from_env(Environment({"JWT_SECRET": "hush" * 8, "OPS_PASSWORD": "hush" * 4}))

    assert "hush" not in repr(settings)


def test_the_address_of_an_issuers_keys_may_hold_a_token_and_is_never_shown() -> None:
    assert [one for one in problems(**{**JWKS, "JWT_JWKS_URL": "http://login.example/hush"}) if "hush" in one] == []

    settings = IdentitySettings.from_env(Environment({**JWKS, "JWT_JWKS_URL": "https://login.example/hush"}))
    assert "hush" not in repr(settings)
