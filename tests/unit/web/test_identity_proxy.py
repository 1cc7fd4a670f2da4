"""When a proxy's word on who someone is counts."""

from __future__ import annotations

import pytest
from flask import Flask, Request
from flask import request as flask_request
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.test import EnvironBuilder

from web.app import _trust_proxies
from web.identity.proxy import ProxyHeader
from web.identity_settings import IdentitySettings
from worker.contract.environment import Environment


def proxy_way(addresses: str = "10.0.0.0/8, fd00::1", **changed: str) -> ProxyHeader:
    environ = {"PROXY_USER_HEADER": "X-Forwarded-User", "PROXY_ADDRESSES": addresses, **changed}
    settings = IdentitySettings.from_env(env := Environment(environ))
    env.check()
    assert settings.proxy is not None
    return ProxyHeader(settings.proxy, settings.operators)


def request(user: str | None, *, peer: str = "10.1.2.3", forwarded: str = "") -> Request:
    """A request as the application sees it behind `ProxyFix`."""
    headers = [("X-Forwarded-For", forwarded)] if forwarded else []
    if user is not None:
        headers.append(("X-Forwarded-User", user))
    environ = EnvironBuilder(headers=headers, environ_base={"REMOTE_ADDR": peer}).get_environ()
    ProxyFix(lambda environ, start: [], x_for=1)(environ, lambda *_: None)  # type: ignore[arg-type]
    return Request(environ)


@pytest.mark.parametrize("peer", ["10.0.0.1", "10.255.255.255", "fd00::1", "::ffff:10.0.0.1"])
def test_the_proxy_names_the_user(peer: str) -> None:
    user = proxy_way().identify(request("anna@example.com", peer=peer, forwarded="198.51.100.7"))

    assert user is not None
    assert (user.name, user.anonymous, user.expires_at) == ("anna@example.com", False, 0)


@pytest.mark.parametrize("peer", ["11.0.0.1", "fd00::2", "127.0.0.1", "", "unix", "::ffff:11.0.0.1"])
def test_nobody_else_is_believed_whatever_they_claim_to_be(peer: str) -> None:
    way = proxy_way()

    assert way.identify(request("anna", peer=peer, forwarded="10.0.0.1")) is None
    assert way.identify(request("anna", peer=peer)) is None


def test_without_a_name_it_is_nobody() -> None:
    way = proxy_way()

    assert way.identify(request(None)) is None
    assert way.identify(request("")) is None
    assert way.identify(request("  ")) is None


def test_two_names_are_nobody() -> None:
    environ = EnvironBuilder(
        headers=[("X-Forwarded-User", "eve"), ("X-Forwarded-User", "anna")], environ_base={"REMOTE_ADDR": "10.0.0.1"}
    ).get_environ()

    assert "," in environ["HTTP_X_FORWARDED_USER"]
    assert proxy_way().identify(Request(environ)) is None


def test_names_may_have_any_letters() -> None:
    user = proxy_way().identify(request("Änne".encode().decode("latin-1")))

    assert user is not None
    assert user.name == "Änne"


def test_operators_are_named() -> None:
    way = proxy_way(OPERATORS="anna")

    assert [user.is_operator for name in ("anna", "bert") if (user := way.identify(request(name)))] == [True, False]


def test_behind_two_proxies_that_send_one_scheme_the_client_and_its_scheme_are_known() -> None:
    app = Flask(__name__)
    _trust_proxies(app, 2)

    @app.get("/")
    def seen() -> list[object]:
        return [flask_request.remote_addr, flask_request.is_secure, flask_request.host]

    headers = {
        "X-Forwarded-For": "192.0.2.9, 198.51.100.7, 203.0.113.1",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "outloud.example",
    }
    assert app.test_client().get("/", headers=headers).json == ["198.51.100.7", True, "outloud.example"]
