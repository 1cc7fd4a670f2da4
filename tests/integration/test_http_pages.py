"""The page as the server gives it out; what it does is for the browser tests."""

from __future__ import annotations

import re
from collections.abc import Callable

from flask import Flask
from flask.testing import FlaskClient

StartApp = Callable[..., Flask]
ADDRESS = re.compile(r'(?:src|href)="(/static/[^"]+)"')


def test_one_page_serves_all_threads_and_makes_the_user(browser: FlaskClient) -> None:
    first = browser.get("/")
    second = browser.get("/t/thr_0123456789abcdef0123456789abcdef")

    assert (first.status_code, first.mimetype) == (200, "text/html")
    assert second.text == first.text
    assert "Set-Cookie" in first.headers
    assert first.headers["Cache-Control"] == "no-store"


def test_everything_that_the_page_names_is_there(browser: FlaskClient) -> None:
    addresses = ADDRESS.findall(browser.get("/").text)

    assert len(addresses) > 5
    for address in addresses:
        assert browser.get(address, buffered=True).status_code == 200, address


def test_the_page_has_no_script_or_style_of_its_own(browser: FlaskClient) -> None:
    """The content security policy would refuse them."""
    page = browser.get("/").text

    assert re.findall(r"<script(?![^>]*\bsrc=)", page) == []
    assert re.findall(r"<style|\sstyle=|\son[a-z]+=", page) == []


def test_the_page_knows_the_limits_of_this_server(start_app: StartApp) -> None:
    page = start_app(MAX_MESSAGE_CHARS="1234").test_client().get("/").text

    assert 'maxlength="1234"' in page


def test_nothing_outside_the_static_folder_is_served(browser: FlaskClient) -> None:
    for path in ("../app.py", "..%2fapp.py", "js/../../settings.py", "/etc/passwd"):
        assert browser.get(f"/static/{path}", follow_redirects=True).status_code == 404
