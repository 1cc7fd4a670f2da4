"""Reading an issuer's keys by HTTP: when it is asked, and what happens while it is away."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from cryptography.exceptions import UnsupportedAlgorithm
from flask import Request
from jwt import PyJWK
from werkzeug.test import EnvironBuilder

from tests.support.issuer import AUDIENCE, ISSUER, Issuer, claims, ec_key, forged, rsa_key, running_issuer, signed
from tests.support.waiting import wait_until
from web.errors import Unavailable
from web.identity import keys
from web.identity.keys import IssuerKeys, UnknownKey
from web.identity.token import Token
from web.token_settings import TokenSettings
from worker.contract.environment import Environment


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with running_issuer() as running:
        yield running


def way_of(issuer: Issuer) -> Token:
    environ = {"JWT_JWKS_URL": issuer.url, "JWT_AUDIENCE": AUDIENCE, "JWT_ISSUER": ISSUER}
    settings = TokenSettings.from_env(Environment({**environ, "JWT_ALGORITHMS": "RS256, PS256, ES256"}))
    assert settings is not None
    return Token(settings, frozenset())


def request(token: str) -> Request:
    return Request(EnvironBuilder(headers=[("Authorization", f"Bearer {token}")]).get_environ())


def test_tokens_of_every_shown_key_are_believed(issuer: Issuer) -> None:
    rsa, ec, named = issuer.add("r", rsa_key()), issuer.add("e", ec_key()), issuer.add("n", rsa_key(), alg="RS256")
    way = way_of(issuer)

    believed = [
        way.identify(request(token)) is not None
        for token in (
            signed(claims(), rsa, key_id="r"),
            signed(claims(), rsa, key_id="r", alg="PS256"),
            signed(claims(), ec, key_id="e"),
            signed(claims(), named, key_id="n"),
        )
    ]

    assert believed == [True] * 4
    assert issuer.asked == 1


def test_a_token_must_fit_the_key_that_it_names(issuer: Issuer) -> None:
    rsa, ec, named = issuer.add("r", rsa_key()), issuer.add("e", ec_key()), issuer.add("n", rsa_key(), alg="RS256")
    issuer.add("enc", rsa, use="enc")
    way = way_of(issuer)

    for token in (
        signed(claims(), rsa, key_id="e"),
        signed(claims(), ec, key_id="r"),
        signed(claims(), named, key_id="n", alg="PS256"),
        signed(claims(), rsa, key_id="enc"),
        signed(claims(), rsa),
        forged(claims(), key_id="r"),
    ):
        assert way.identify(request(token)) is None


def test_a_token_without_a_key_s_name_means_the_only_key(issuer: Issuer) -> None:
    only = issuer.add("r", rsa_key())

    assert way_of(issuer).identify(request(signed(claims(), only))) is not None


def test_a_new_key_is_found_and_made_up_ones_are_not_asked_for_again_and_again(issuer: Issuer) -> None:
    issuer.add("old", rsa_key())
    found = IssuerKeys(issuer.url, pause_seconds=0.3)
    found.find("old")

    for number in range(20):
        with pytest.raises(UnknownKey):
            found.find(f"made up {number}")
    assert issuer.asked <= 2

    issuer.add("new", rsa_key())
    time.sleep(0.3)
    assert found.find("new") is not None


def test_known_keys_are_used_on_while_the_issuer_is_away(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "_FRESH_SECONDS", 0.0)
    issuer.add("k", rsa_key())
    found = IssuerKeys(issuer.url, pause_seconds=0.0)
    known = found.find("k")

    for status in (500, 404):
        issuer.status = status
        asked = issuer.asked
        assert found.find("k") is known
        wait_until(lambda asked=asked: issuer.asked > asked, what="it is asked nevertheless")  # type: ignore[misc]
    issuer.stop()
    assert found.find("k") is known


def test_an_issuer_that_does_not_answer_takes_few_requests_with_it(issuer: Issuer) -> None:
    issuer.add("k", rsa_key())
    issuer.delay_seconds = 1.0
    found = IssuerKeys(issuer.url)
    began = time.monotonic()

    def ask(_: int) -> float:
        try:
            found.find("k")
        except Unavailable:
            return time.monotonic() - began
        return float("inf")

    with ThreadPoolExecutor(12) as os_threads:
        ends = sorted(os_threads.map(ask, range(12)))

    assert ends[7] < 0.8, "all but four are told at once to come again"
    assert ends[8:] == [float("inf")] * 4
    assert issuer.asked == 1


@pytest.mark.parametrize("body", [b"", b"nonsense", b"[]", b'{"keys": 7}', b'{"keys": [7, {"kty": "?"}]}', b"{}"])
def test_an_answer_that_holds_no_key_is_as_none(
    issuer: Issuer, body: bytes, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(issuer, "shown", lambda: body)

    with pytest.raises(Unavailable):
        IssuerKeys(issuer.url).find("k")

    assert [vars(record)["action"] for record in caplog.records if record.name == "web.identity.keys"] == [
        "issuer_keys_unread"
    ]
    assert issuer.url not in caplog.text


def test_a_shared_secret_among_the_shown_keys_is_no_key(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(issuer, "shown", lambda: b'{"keys": [{"kty": "oct", "kid": "k", "k": "c2VjcmV0"}]}')

    with pytest.raises(Unavailable):
        IssuerKeys(issuer.url).find("k")


def test_reading_ends_with_its_os_thread(issuer: Issuer) -> None:
    issuer.add("k", rsa_key())
    IssuerKeys(issuer.url).find("k")

    wait_until(lambda: "issuer-keys" not in {thread.name for thread in threading.enumerate()})


@pytest.mark.parametrize("error", [NotImplementedError, UnsupportedAlgorithm, AttributeError])
def test_a_key_that_a_library_stumbles_over_hides_no_other(
    issuer: Issuer, error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    good = issuer.add("good", rsa_key())
    issuer.add("odd", rsa_key())

    class Stumbling(PyJWK):
        def __init__(self, one: dict[str, Any]) -> None:
            if one["kid"] == "odd":
                raise error("odd")
            super().__init__(one)

    monkeypatch.setattr(keys, "PyJWK", Stumbling)

    assert way_of(issuer).identify(request(signed(claims(), good, key_id="good"))) is not None
