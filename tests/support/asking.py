"""What a browser does by HTTP, for tests with Flask's client."""

from __future__ import annotations

import base64
import json
from typing import Any

import redis
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from worker.contract.commands import DEFAULT_QUEUE


def ask(browser: FlaskClient, message: str = "hello", **fields: Any) -> dict[str, Any]:
    """Send a message that is accepted; answers what the API says."""
    response = browser.post("/api/runs", json={"message": message, **fields})
    assert response.status_code == 202, response.text
    answer: dict[str, Any] = response.get_json()
    return answer


def error_of(response: TestResponse, status: int) -> dict[str, Any]:
    """The error of a refused request, whose shape is always the same."""
    assert response.status_code == status, response.text
    body = response.get_json()
    assert list(body) == ["error"]
    assert list(body["error"]) == ["code", "message", "detail"]
    error: dict[str, Any] = body["error"]
    return error


def rings(client: redis.Redis) -> list[str]:
    """The runs that the doorbell was rung for, oldest first."""
    messages: Any = client.lrange(DEFAULT_QUEUE, 0, -1)
    return [json.loads(base64.b64decode(json.loads(message)["body"]))[0][0] for message in reversed(messages)]


def send_file(browser: FlaskClient, name: str, raw: bytes) -> TestResponse:
    """Upload a file as a form does."""
    body, content_type = multipart(name, raw)
    return browser.post("/api/files", data=body, content_type=content_type)


def multipart(name: str, raw: bytes) -> tuple[bytes, str]:
    """A form with one file: the body and its content type. By hand, since Werkzeug leaves large ones' files open."""
    head = f'--frontier\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
    return head.encode() + raw + b"\r\n--frontier--\r\n", "multipart/form-data; boundary=frontier"
