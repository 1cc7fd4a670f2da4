"""What is wrong is refused with a status and words, at the door as it is deployed."""

from __future__ import annotations

import contextlib
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.support.client import Client


def error_of(answer: httpx.Response, status: int) -> str:
    """The code of a refusal, which has words as well."""
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert error["message"]
    return str(error["code"])


def test_an_unknown_agent_is_refused_with_the_names_that_there_are(client: Client) -> None:
    answer = client.http.post("/api/runs", json={"message": "hello", "agent": "nobody"})

    assert error_of(answer, 422) == "unknown_agent"
    assert "triage" in answer.json()["error"]["detail"]["agents"]


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        ({"content": b"{not json", "headers": {"Content-Type": "application/json"}}, 400),
        ({"json": {"message": ""}}, 422),
        ({"json": {"text": "hello"}}, 422),
        ({"json": ["hello"]}, 422),
    ],
    ids=["no JSON", "empty message", "wrong field", "a list"],
)
def test_a_malformed_message_is_refused(client: Client, request_: dict[str, Any], status: int) -> None:
    error_of(client.http.post("/api/runs", **request_), status)


def test_a_message_that_is_too_long_is_refused_with_the_limit(client: Client) -> None:
    answer = client.http.post("/api/runs", json={"message": "x" * 20_001})

    assert error_of(answer, 422) == "message_too_long"
    assert answer.json()["error"]["detail"]["limit"] == 20_000


def test_a_body_that_is_too_large_is_refused(client: Client) -> None:
    error_of(client.http.post("/api/runs", json={"message": "x" * 2_000_000}), 413)


def test_a_page_of_somebody_else_may_neither_ask_nor_listen(client: Client) -> None:
    headers = {"Origin": "https://elsewhere.example"}

    answer = client.http.post("/api/runs", json={"message": "hello"}, headers=headers)
    with pytest.raises(InvalidStatus) as refused, client.socket(**headers):
        pass

    assert error_of(answer, 403) == "foreign_origin"
    assert refused.value.response.status_code == 403


def test_a_page_of_our_own_may(client: Client) -> None:
    answer = client.http.post("/api/runs", json={"message": "hello"}, headers={"Origin": client.url})

    assert answer.status_code == 202, answer.text
    with client.socket(Origin=client.url):
        pass


def test_a_frame_that_says_nothing_closes_the_socket_with_a_reason(client: Client) -> None:
    with client.socket() as socket:
        socket.send("hello")
        with contextlib.suppress(ConnectionClosed):
            while socket.recv(timeout=10):
                pass

    assert socket.close_code == 4400


def test_a_run_that_does_not_exist_is_not_found(client: Client) -> None:
    assert error_of(client.http.get("/api/runs/run_" + "0" * 32), 404) == "not_found"
