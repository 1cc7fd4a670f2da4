from __future__ import annotations

import pytest

from web.identity_settings import IdentitySettings
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
    assert settings.identity == IdentitySettings()


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


@pytest.mark.parametrize("origin", ["*", "https://*.example"])
def test_an_origin_for_everyone_is_refused(origin: str) -> None:
    with pytest.raises(SettingsError, match="any page could act for your users"):
        WebSettings.from_env({**GOOD, "WEB_ORIGINS": f"https://good.example,{origin}"})


def test_what_gunicorn_is_told_is_a_setting_like_any_other() -> None:
    told = {"WEB_CONCURRENCY": "3", "WEB_THREADS": "", "PORT": "9000", "BIND_HOST": "127.0.0.1"}
    settings = WebSettings.from_env({**GOOD, **told})
    assert (settings.processes, settings.threads) == (3, 32)
    assert (settings.bind_host, settings.port) == ("127.0.0.1", 9000)

    with pytest.raises(SettingsError) as caught:
        WebSettings.from_env({**GOOD, "WEB_CONCURRENCY": "two", "WEB_THREADS": "0", "PORT": "70000"})
    assert [problem.split()[0] for problem in caught.value.problems] == ["PORT", "WEB_CONCURRENCY", "WEB_THREADS"]


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


WEBHOOK = {"WEBHOOK_URL": "https://team.example/hooks?key=hush", "WEBHOOK_SECRET": "0123456789abcdef01234567"}


def test_without_an_address_there_is_no_webhook() -> None:
    settings = WebSettings.from_env({**GOOD, "WEBHOOK_SECRET": "short"})

    assert settings.webhook_url == ""
    assert settings.webhook_delay_ms == 60_000


def test_a_webhook_s_secret_is_a_text_or_what_the_standard_s_libraries_make() -> None:
    by_text = WebSettings.from_env({**GOOD, **WEBHOOK, "WEBHOOK_DELAY_SECONDS": "0.5"})
    standard = {**WEBHOOK, "WEBHOOK_SECRET": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}
    by_standard = WebSettings.from_env({**GOOD, **standard})

    assert by_text.webhook_key == b"0123456789abcdef01234567"
    assert by_text.webhook_delay_ms == 500
    assert by_standard.webhook_key.hex() == "31f290f6bf06298aab4f08d43c3f082cf648a362da2da4b0"


def test_a_webhook_s_address_and_secret_are_not_printed() -> None:
    text = repr(WebSettings.from_env({**GOOD, **WEBHOOK}))

    assert "0123456789abcdef01234567" not in text
    assert "hush" not in text


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"WEBHOOK_SECRET": ""}, "WEBHOOK_SECRET is not set, which WEBHOOK_URL needs"),
        ({"WEBHOOK_SECRET": "x" * 23}, "WEBHOOK_SECRET stands for 23 bytes; expected"),
        ({"WEBHOOK_SECRET": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa=="}, "WEBHOOK_SECRET stands for 22 bytes; expected"),
        (
            {"WEBHOOK_SECRET": "whsec_not base64 at all, but long"},
            "WEBHOOK_SECRET begins with whsec_ and is not base64",
        ),
        ({"WEBHOOK_SECRET": "whsec_ümlauts are not base64 too"}, "WEBHOOK_SECRET begins with whsec_ and is not base64"),
        *(
            ({"WEBHOOK_URL": url}, "WEBHOOK_URL is not an address such as https://")
            for url in (
                "ftp://hush",
                "hush.example",
                "https://",
                "http://hush:0/",
                "http://hush:99999/",
                "https://hu sh",
            )
        ),
        ({"WEBHOOK_DELAY_SECONDS": "-1"}, "WEBHOOK_DELAY_SECONDS is -1; expected a number from 0"),
    ],
)
def test_a_wrong_webhook_is_refused_at_start_without_showing_it(changed: dict[str, str], problem: str) -> None:
    environ = {**GOOD, **WEBHOOK, **changed}

    with pytest.raises(SettingsError) as caught:
        WebSettings.from_env(environ)

    (found,) = caught.value.problems
    assert found.startswith(problem)
    assert "hush" not in found
