"""`python -m web`: gunicorn once the settings are right, and words instead of it when they are not."""

from __future__ import annotations

import os
import sys
from typing import Any

import pytest

from web.__main__ import main

SETTINGS = {"REDIS_URL": "redis://127.0.0.1:1/0", "SECRET_KEY": "0123456789abcdef0123456789abcdef"}


@pytest.fixture
def became(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The arguments and the environment of the program that this process would have become."""
    found: list[Any] = []
    monkeypatch.setattr(os, "execve", lambda path, arguments, environ: found.extend((arguments, environ)))
    for name in ("WEB_CONCURRENCY", "PORT"):
        monkeypatch.delenv(name, raising=False)
    for name, value in SETTINGS.items():
        monkeypatch.setenv(name, value)
    return found


def test_what_follows_is_gunicorns_own(monkeypatch: pytest.MonkeyPatch, became: list[Any]) -> None:
    monkeypatch.setattr(sys, "argv", ["web", "--reload"])

    main()

    assert became[0][1:] == ["-m", "gunicorn", "web.app:create_app()", "--config", "python:web.gunicorn", "--reload"]


def test_an_empty_number_of_processes_is_one_as_everywhere(monkeypatch: pytest.MonkeyPatch, became: list[Any]) -> None:
    monkeypatch.setattr(sys, "argv", ["web"])
    monkeypatch.setenv("WEB_CONCURRENCY", "")

    main()

    assert became[1]["WEB_CONCURRENCY"] == "1"


def test_wrong_settings_are_told_together_and_nothing_starts(
    monkeypatch: pytest.MonkeyPatch, became: list[Any]
) -> None:
    monkeypatch.setattr(sys, "argv", ["web"])
    monkeypatch.setenv("WEB_CONCURRENCY", "many")
    monkeypatch.setenv("SECRET_KEY", "short")

    with pytest.raises(SystemExit, match=r"(?s)WEB_CONCURRENCY.*SECRET_KEY"):
        main()

    assert became == []
