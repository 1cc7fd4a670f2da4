from __future__ import annotations

import pytest

from web.http.origins import is_own_origin

ALLOWED = frozenset({"https://chat.example"})


@pytest.mark.parametrize(
    "origin",
    ["http://localhost:8000", "https://localhost:8000", "http://LOCALHOST:8000", "https://chat.example"],
)
def test_our_own_pages_may_act(origin: str) -> None:
    assert is_own_origin(origin, host="localhost:8000", allowed=ALLOWED)


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "http://localhost:8001",
        "http://localhost",
        "null",
        "",
        "file://",
        "localhost:8000",
        "ftp://localhost:8000",
        "http://localhost:8000@evil.example",
        "http://evil.example/localhost:8000",
        "http://[broken",
    ],
)
def test_foreign_pages_may_not(origin: str) -> None:
    assert not is_own_origin(origin, host="localhost:8000", allowed=ALLOWED)


def test_no_origin_equals_no_host() -> None:
    assert not is_own_origin("", host="", allowed=())
    assert not is_own_origin("http://", host="", allowed=())
