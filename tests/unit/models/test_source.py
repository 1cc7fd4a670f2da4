"""What the source tells of itself, and which models it gives out."""

from __future__ import annotations

import subprocess
import sys

from worker.contract.environment import Secret
from worker.models.retrying import RetryingModel
from worker.models.settings import ModelSettings
from worker.models.source import ModelProvider


async def ignore(_: str) -> None:
    return None


async def test_without_a_key_the_built_in_model_answers_and_says_so() -> None:
    source = ModelProvider(ModelSettings(provider="offline", name="offline"))
    assert source.offline
    assert source.label == "offline"
    assert source.secrets() == []
    assert type(source.model(on_retry=ignore)).__name__ == "OfflineModel"
    await source.aclose()


async def test_with_a_key_each_call_gets_a_model_that_retries() -> None:
    key = Secret("sk-0123456789")
    source = ModelProvider(ModelSettings(provider="anthropic", name="claude-sonnet-5", api_key=key))
    first, second = source.model(on_retry=ignore), source.model(on_retry=ignore)
    assert not source.offline
    assert source.label == "claude-sonnet-5"
    assert source.secrets() == [key.reveal()]
    assert isinstance(first, RetryingModel)
    assert isinstance(second, RetryingModel)
    assert first is not second
    assert first.wrapped is second.wrapped
    await source.aclose()


def test_reading_the_settings_does_not_load_the_providers_libraries() -> None:
    program = (
        "import worker.models.source, sys; print([name for name in ('openai', 'anthropic') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
