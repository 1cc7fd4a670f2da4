from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask, Response
from flask.testing import FlaskClient

from web import sockets
from web.relay.relay import Relay

HANDSHAKE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
}


@pytest.fixture
def browser() -> Iterator[FlaskClient]:
    """An app on no gunicorn at all; the relay never starts."""
    app = Flask(__name__)
    sockets.register(app, Relay("redis://127.0.0.1:1/0"), identify=lambda request: sockets.Visitor("usr_0"))

    @app.get("/events")
    def follow() -> Response:
        return sockets.open_event_stream("run_0", 0, visitor=sockets.Visitor("usr_0"))

    with app.test_client() as client:
        yield client


def test_a_server_whose_sockets_cannot_be_taken_over_is_told_what_is_needed(browser: FlaskClient) -> None:
    for path, headers in (("/ws", HANDSHAKE), ("/events", {})):
        response = browser.get(path, headers=headers)

        assert response.status_code == 500
        error = response.get_json()["error"]
        assert error["code"] == "wrong_server"
        assert "gthread" in error["message"]


def test_other_pages_are_not_looked_at(browser: FlaskClient) -> None:
    assert browser.get("/nothing", headers={"Origin": "https://evil.example"}).status_code == 404
