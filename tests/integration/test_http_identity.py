"""Signing in by HTTP, each way, and who may look inside."""

from __future__ import annotations

import base64
import html
import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, jsonify, session
from flask.testing import FlaskClient

from tests.support.asking import ask, error_of
from tests.support.environment import ROOT
from tests.support.issuer import AUDIENCE, ISSUER, Issuer, claims, rsa_key, running_issuer, signed
from web.identity.request import current_operator

StartApp = Callable[..., Flask]

SECRET = "a secret that issuer and server share"
PASSWORD = "correct horse battery"
BASIC = {"Authorization": "Basic " + base64.b64encode(f"anna:{PASSWORD}".encode()).decode()}
WRONG = {"Authorization": "Basic " + base64.b64encode(b"anna:wrong").decode()}


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with running_issuer() as running:
        yield running


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def with_probe(app: Flask) -> FlaskClient:
    """An application with one more page for operators."""

    @app.route("/api/ops/probe", methods=["GET", "POST"])
    def probe() -> Any:
        operator = current_operator()
        return jsonify(name=operator.name, user_id=operator.user_id)

    return app.test_client()


def test_a_token_s_user_owns_what_they_start(start_app: StartApp, issuer: Issuer) -> None:
    key = issuer.add("k", rsa_key())
    browser = start_app(JWT_JWKS_URL=issuer.url, JWT_AUDIENCE=AUDIENCE, JWT_ISSUER=ISSUER).test_client()
    anna, bert = (bearer(signed(claims(name), key, key_id="k")) for name in ("anna", "bert"))

    run_id = browser.post("/api/runs", json={"message": "hi", "agent": "data"}, headers=anna).get_json()["run_id"]

    assert browser.get(f"/api/runs/{run_id}", headers=anna).status_code == 200
    error_of(browser.get(f"/api/runs/{run_id}", headers=bert), 404)
    refused = browser.get(f"/api/runs/{run_id}", headers=bearer("a.b.c"))
    error_of(refused, 401)
    assert refused.headers["WWW-Authenticate"] == "Bearer"


def test_an_issuer_that_cannot_be_reached_is_no_refusal(start_app: StartApp, issuer: Issuer) -> None:
    key = issuer.add("k", rsa_key())
    issuer.stop()
    browser = start_app(JWT_JWKS_URL=issuer.url, JWT_AUDIENCE=AUDIENCE, JWT_ISSUER=ISSUER).test_client()

    answer = browser.get("/api/session", headers=bearer(signed(claims(), key, key_id="k")))

    assert error_of(answer, 503)["code"] == "keys_unavailable"
    assert answer.headers["Retry-After"]
    error_of(browser.get("/api/session"), 401)


def test_the_session_says_who_one_is_and_until_when(start_app: StartApp) -> None:
    browser = start_app(JWT_SECRET=SECRET, JWT_COOKIE="session", JWT_OPERATOR_CLAIM="ops").test_client()
    exp = int(time.time()) + 60
    browser.set_cookie("session", signed(claims(aud=None, exp=exp, name="Anna", ops=True), SECRET))

    found = browser.get("/api/session").get_json()

    assert found.pop("user_id").startswith("usr_")
    assert found == {"anonymous": False, "name": "Anna", "expires_at": (exp + 30) * 1000, "operator": True}


def test_a_stranger_s_session_has_no_name_and_no_end(browser: FlaskClient) -> None:
    found = browser.get("/api/session").get_json()

    assert found.pop("user_id").startswith("usr_")
    assert found == {"anonymous": True, "name": "", "expires_at": 0, "operator": False}


def test_a_proxy_is_known_by_its_own_address_not_by_what_it_forwards(start_app: StartApp) -> None:
    settings = {"PROXY_USER_HEADER": "X-Forwarded-User", "PROXY_ADDRESSES": "10.0.0.0/8"}
    browser = start_app(**settings).test_client()
    headers = {"X-Forwarded-User": "anna", "X-Forwarded-For": "10.0.0.1"}

    by_proxy = browser.get("/api/session", headers=headers, environ_base={"REMOTE_ADDR": "10.0.0.7"})
    by_stranger = browser.get("/api/session", headers=headers, environ_base={"REMOTE_ADDR": "198.51.100.7"})

    assert by_proxy.get_json()["name"] == "anna"
    error_of(by_stranger, 401)


def test_the_page_knows_where_to_sign_in(start_app: StartApp) -> None:
    app = start_app(JWT_SECRET=SECRET, SIGN_IN_URL='/login?next={next}&x="')

    page = app.test_client().get("/").text

    assert 'data-sign-in-url="/login?next={next}&amp;x=&#34;"' in page


def test_a_name_is_never_markup_on_the_page(start_app: StartApp) -> None:
    name = """'"><script>alert(1)</script>&amp;"""
    browser = start_app(JWT_SECRET=SECRET, JWT_COOKIE="session").test_client()
    browser.set_cookie("session", signed(claims(aud=None, name=name), SECRET))

    page = browser.get("/").text

    [attribute] = re.findall(r"data-session='([^']*)' data-sign-in-url", page)
    assert json.loads(html.unescape(attribute))["name"] == name
    assert "<script>alert" not in page


def test_a_page_that_is_loaded_by_nobody_knows_that(start_app: StartApp) -> None:
    assert "data-session='null'" in start_app(JWT_SECRET=SECRET).test_client().get("/").text


def test_without_operators_the_page_says_how_to_make_one(start_app: StartApp) -> None:
    refused = error_of(with_probe(start_app()).get("/api/ops/probe"), 403)

    assert refused["code"] == "not_an_operator"
    assert "OPERATORS" in refused["message"]
    assert "OPS_PASSWORD" in refused["message"]


def test_operators_by_name_are_let_in_and_others_are_not(start_app: StartApp) -> None:
    browser = with_probe(start_app(JWT_SECRET=SECRET, OPERATORS="anna"))
    anna, bert = (bearer(signed(claims(name, aud=None), SECRET)) for name in ("anna", "bert"))

    assert browser.get("/api/ops/probe", headers=anna).get_json()["name"] == "anna"
    error_of(browser.get("/api/ops/probe", headers=bert), 403)
    error_of(browser.get("/api/ops/probe"), 401)


def test_the_password_is_asked_for_and_taken(start_app: StartApp) -> None:
    browser = with_probe(start_app(JWT_SECRET=SECRET, OPS_PASSWORD=PASSWORD))

    asked = browser.get("/api/ops/probe")
    error_of(asked, 401)

    assert asked.headers["WWW-Authenticate"].startswith('Basic realm="outloud operators"')
    assert browser.get("/api/ops/probe", headers=BASIC).get_json()["name"] == "anna"
    error_of(browser.get("/api/ops/probe", headers=WRONG), 401)
    # Who is signed in without being an operator may give it as well.
    error_of(browser.get("/api/ops/probe", headers=bearer(signed(claims(aud=None), SECRET))), 401)


def test_the_password_opens_nothing_else_and_nothing_else_asks_for_it(start_app: StartApp) -> None:
    browser = with_probe(start_app(JWT_SECRET=SECRET, OPS_PASSWORD=PASSWORD))

    answer = browser.get("/api/threads", headers=BASIC)

    error_of(answer, 401)
    assert "Basic" not in answer.headers["WWW-Authenticate"]


def test_guessing_the_password_is_stopped(start_app: StartApp) -> None:
    browser = with_probe(start_app(OPS_PASSWORD=PASSWORD))

    answers = [browser.get("/api/ops/probe", headers=WRONG).status_code for _ in range(12)]

    assert answers == [401] * 10 + [429] * 2
    assert browser.get("/api/ops/probe", headers=BASIC).status_code == 429


def test_a_foreign_page_cannot_use_the_password_that_a_browser_keeps(start_app: StartApp) -> None:
    browser = with_probe(start_app(OPS_PASSWORD=PASSWORD))

    for headers in ({"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}):
        error_of(browser.post("/api/ops/probe", headers={**BASIC, **headers}), 403)
    assert browser.post("/api/ops/probe", headers={**BASIC, "Origin": "http://localhost"}).status_code == 200
    assert browser.post("/api/ops/probe", headers=BASIC).status_code == 200


def test_a_foreign_page_cannot_use_a_token_in_a_cookie(start_app: StartApp) -> None:
    browser = start_app(JWT_SECRET=SECRET, JWT_COOKIE="session").test_client()
    browser.set_cookie("session", signed(claims(aud=None), SECRET))

    body = {"message": "hi", "agent": "data"}
    error_of(browser.post("/api/runs", json=body, headers={"Origin": "https://evil.example"}), 403)
    assert ask(browser, agent="data")["run_id"]


def test_the_function_in_the_documentation_reads_a_team_s_session(
    start_app: StartApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [code] = re.findall(r"```python\n# team_auth.py: .*?\n(.*?)```", (ROOT / "docs/identity.md").read_text(), re.DOTALL)
    (tmp_path / "team_auth.py").write_text(code)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("TEAM_SECRET_KEY", "the team's own key")
    team = Flask("the team's application")
    team.secret_key = "the team's own key"

    @team.get("/login")
    def login() -> str:
        session.update(user_id=7, name="Anna", expires_at=time.time() + 60)
        return "hello"

    signing_in = team.test_client()
    signing_in.get("/login")
    cookie = signing_in.get_cookie("session")
    assert cookie is not None
    browser = start_app(IDENTITY="team_auth:who").test_client()
    error_of(browser.get("/api/session"), 401)

    browser.set_cookie("session", cookie.value)
    found = browser.get("/api/session").get_json()

    assert (found["name"], found["anonymous"]) == ("Anna", False)
    assert 0 < found["expires_at"] - time.time() * 1000 <= 60_000
    browser.set_cookie("session", cookie.value[:-1])
    error_of(browser.get("/api/session"), 401)


def test_no_token_and_no_password_is_logged(start_app: StartApp, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    browser = with_probe(start_app(JWT_SECRET=SECRET, OPS_PASSWORD=PASSWORD))
    good = signed(claims(aud=None), SECRET)
    bad = signed(claims(aud=None, seconds=-60), SECRET)

    browser.get("/api/session", headers=bearer(good))
    browser.get("/api/session", headers=bearer(bad))
    browser.get("/api/ops/probe", headers=BASIC)
    browser.get("/api/ops/probe", headers=WRONG)

    lines = str([vars(record) for record in caplog.records])
    assert "sign_in_refused" in lines
    assert "operator_refused" in lines
    for secret in (good, bad, SECRET, PASSWORD, *BASIC.values(), *WRONG.values()):
        assert secret not in lines
