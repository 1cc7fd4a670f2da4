"""Who answers, by what is set; and every mistake named at once, without showing a secret."""

from __future__ import annotations

import pytest

from worker.contract.environment import Environment
from worker.models.settings import ModelSettings

OPENAI = {"OPENAI_API_KEY": "sk-openai-1234567890"}
ANTHROPIC = {"ANTHROPIC_API_KEY": "sk-ant-1234567890"}
LOCAL = {"OPENAI_BASE_URL": "http://localhost:11434/v1"}


def read(environ: dict[str, str]) -> tuple[ModelSettings, list[str]]:
    env = Environment(environ)
    return ModelSettings.from_env(env), env.problems


@pytest.mark.parametrize(
    ("environ", "provider", "name"),
    [
        ({}, "offline", "offline"),
        ({"OPENAI_API_KEY": "  ", "MODEL": ""}, "offline", "offline"),
        (OPENAI, "openai", "gpt-5-mini"),
        (ANTHROPIC, "anthropic", "claude-sonnet-5"),
        ({**OPENAI, **ANTHROPIC}, "openai", "gpt-5-mini"),
        ({**OPENAI, "MODEL": "gpt-5.2"}, "openai", "gpt-5.2"),
        ({**OPENAI, "MODEL": "openai:gpt-5.2"}, "openai", "gpt-5.2"),
        ({**OPENAI, "MODEL": "openai:"}, "openai", "gpt-5-mini"),
        ({**ANTHROPIC, "MODEL": "claude-opus-5"}, "anthropic", "claude-opus-5"),
        ({**OPENAI, **ANTHROPIC, "MODEL": "claude-opus-5"}, "anthropic", "claude-opus-5"),
        ({**OPENAI, **ANTHROPIC, "MODEL": "gpt-5.2"}, "openai", "gpt-5.2"),
        ({**OPENAI, **ANTHROPIC, "MODEL": "anthropic:claude-opus-5"}, "anthropic", "claude-opus-5"),
        ({**LOCAL, "MODEL": "qwen3:8b"}, "openai", "qwen3:8b"),
        ({**LOCAL, "MODEL": "openai:qwen3:8b"}, "openai", "qwen3:8b"),
        ({**LOCAL, **OPENAI}, "openai", "gpt-5-mini"),
        ({**OPENAI, "MODEL": "offline"}, "offline", "offline"),
    ],
)
def test_the_model_is_chosen_by_name_and_by_key(environ: dict[str, str], provider: str, name: str) -> None:
    settings, problems = read(environ)
    assert (settings.provider, settings.name) == (provider, name)
    assert problems == []


@pytest.mark.parametrize(
    ("environ", "problem"),
    [
        ({"MODEL": "gpt-5.2"}, "MODEL is 'gpt-5.2', but OPENAI_API_KEY (or OPENAI_BASE_URL) is not set"),
        ({"MODEL": "claude-opus-5"}, "MODEL is 'claude-opus-5', but ANTHROPIC_API_KEY is not set"),
        ({**OPENAI, "MODEL": "anthropic:x"}, "MODEL is 'anthropic:x', but ANTHROPIC_API_KEY is not set"),
        ({"ANTHROPIC_BASE_URL": "http://localhost:1"}, "ANTHROPIC_BASE_URL is set, but ANTHROPIC_API_KEY is not set"),
        (LOCAL, "MODEL is not set; expected the name of a model at OPENAI_BASE_URL"),
        ({**OPENAI, "OPENAI_BASE_URL": "localhost:11434"}, "OPENAI_BASE_URL is no address"),
        ({**OPENAI, "OPENAI_BASE_URL": "http://localhost:port"}, "OPENAI_BASE_URL is no address"),
        ({**OPENAI, "OPENAI_BASE_URL": "http://"}, "OPENAI_BASE_URL is no address"),
        ({"OPENAI_API_KEY": "sk-two words"}, "OPENAI_API_KEY has a space"),
        ({"OPENAI_API_KEY": "sk-“quoted”"}, "OPENAI_API_KEY has a space, a line break or a letter"),
        ({"MODEL_TIMEOUT_SECONDS": "soon"}, "MODEL_TIMEOUT_SECONDS is 'soon'"),
        ({"MODEL_TIMEOUT_SECONDS": "0"}, "MODEL_TIMEOUT_SECONDS is 0"),
        ({"MODEL_MAX_RETRIES": "-1"}, "MODEL_MAX_RETRIES is -1"),
        ({"MODEL_TEMPERATURE": "nan"}, "MODEL_TEMPERATURE is nan"),
        ({**ANTHROPIC, "MODEL_TEMPERATURE": "1.5"}, "MODEL_TEMPERATURE is 1.5"),
    ],
)
def test_a_mistake_is_named_with_its_variable(environ: dict[str, str], problem: str) -> None:
    _, problems = read(environ)
    assert len(problems) == 1
    assert problems[0].startswith(problem)


def test_all_mistakes_are_named_at_once_and_no_secret_with_them() -> None:
    key, url = "sk-my very secret key", "ftp://ann:geheim77@models"
    settings, problems = read(
        {"OPENAI_API_KEY": key, "OPENAI_BASE_URL": url, "MODEL_MAX_RETRIES": "x", "MODEL_TEMPERATURE": "hot"}
    )
    assert len(problems) == 4
    shown = f"{problems} {settings} {settings!r}"
    assert "secret" not in shown.lower().replace("secret(", "")
    assert "geheim77" not in shown


def test_secrets_are_the_key_and_what_an_address_hides() -> None:
    settings, _ = read({**OPENAI, "OPENAI_BASE_URL": "https://ann:geheim77@gateway.example/v1?token=abc"})
    assert settings.secrets() == ["sk-openai-1234567890", "geheim77", "token=abc"]


def test_numbers_are_read() -> None:
    settings, problems = read(
        {"MODEL_TIMEOUT_SECONDS": "7.5", "MODEL_MAX_RETRIES": "0", "MODEL_TEMPERATURE": "0"},
    )
    assert problems == []
    assert (settings.timeout_seconds, settings.max_retries, settings.temperature) == (7.5, 0, 0.0)
    assert read({})[0].temperature is None
