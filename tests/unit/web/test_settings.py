from __future__ import annotations

import pytest

from web.settings import WebSettings
from worker.contract.environment import SettingsError

GOOD = {"REDIS_URL": "redis://:hush@localhost:6379/0", "SECRET_KEY": "k" * 32}


def test_two_variables_are_enough() -> None:
    settings = WebSettings.from_env(GOOD)

    assert settings.port == 8000
    assert settings.max_message_chars == 20_000
    assert settings.max_file_bytes == 20 * 1024 * 1024
    assert settings.retention_ms == 7 * 86_400_000
    assert settings.trusted_proxies == 1
    assert settings.identity == ""


def test_all_problems_are_named_at_once_with_what_was_expected() -> None:
    environ = {
        "SECRET_KEY": "short",
        "PORT": "eighty",
        "MAX_RUNS_PER_USER": "0",
        "WEB_ORIGINS": "https://good.example, chat.example/path",
        "IDENTITY": "no function here",
    }

    with pytest.raises(SettingsError) as caught:
        WebSettings.from_env(environ)

    text = str(caught.value)
    for expected in (
        "REDIS_URL is not set; expected a Redis address",
        "PORT is 'eighty'; expected a whole number",
        "SECRET_KEY has 5 characters; expected at least 32 random characters",
        "MAX_RUNS_PER_USER is 0; expected a whole number from 1",
        "WEB_ORIGINS has 'chat.example/path'; expected origins such as https://",
        "IDENTITY is 'no function here'; expected module:function",
    ):
        assert expected in text
    assert len(caught.value.problems) == 6


def test_a_missing_secret_is_refused_not_invented() -> None:
    with pytest.raises(SettingsError, match="SECRET_KEY is not set"):
        WebSettings.from_env({"REDIS_URL": "redis://localhost"})


def test_printing_the_settings_shows_no_secret() -> None:
    text = repr(WebSettings.from_env(GOOD))

    assert "k" * 32 not in text
    assert "hush" not in text


def test_origins_are_compared_without_case_and_slash() -> None:
    settings = WebSettings.from_env({**GOOD, "WEB_ORIGINS": "https://Chat.Example/, http://localhost:3000"})

    assert settings.origins == {"https://chat.example", "http://localhost:3000"}
