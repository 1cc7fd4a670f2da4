"""Builds the real models: one HTTP client for all of them, and no retries but ours."""

from __future__ import annotations

import httpx2
from anthropic import AsyncAnthropic
from openai import AsyncOpenAI
from pydantic_ai.models import Model
from pydantic_ai.models.anthropic import AnthropicModel, AnthropicModelSettings
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers import Provider
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.providers.openai_compatible import OpenAICompatibleProvider
from pydantic_ai.settings import ModelSettings as RequestSettings

from worker.models.settings import ModelSettings

_OPENAI_URL = "https://api.openai.com/v1"
_ANTHROPIC_URL = "https://api.anthropic.com"
#: A machine that is there answers sooner; the rest of the patience is for the model.
_MAX_CONNECT_SECONDS = 10.0
#: More than the runs of a process, each of which asks for one answer at a time.
_LIMITS = httpx2.Limits(max_connections=1000, max_keepalive_connections=100)
#: Servers without keys still get a header, since the client insists on one.
_NO_KEY = "not-needed"


def build_http_client(settings: ModelSettings) -> httpx2.AsyncClient:
    """Make the client that every request of the process goes through."""
    seconds = settings.timeout_seconds
    timeout = httpx2.Timeout(seconds, connect=min(seconds, _MAX_CONNECT_SECONDS))
    # No redirects: the conversation would go to a host that nobody chose.
    return httpx2.AsyncClient(timeout=timeout, limits=_LIMITS, follow_redirects=False)


def build_model(settings: ModelSettings, client: httpx2.AsyncClient) -> Model:
    """Make the model, which holds nothing of any request and is shared by all."""
    return _anthropic(settings, client) if settings.provider == "anthropic" else _openai(settings, client)


def _openai(settings: ModelSettings, client: httpx2.AsyncClient) -> Model:
    sdk = AsyncOpenAI(
        api_key=settings.api_key.reveal() or _NO_KEY,
        base_url=settings.base_url.reveal() or _OPENAI_URL,
        http_client=client,
        timeout=client.timeout,
        max_retries=0,
    )
    provider: Provider[AsyncOpenAI] = (
        OpenAICompatibleProvider("openai-compatible", openai_client=sdk)
        if settings.base_url
        else OpenAIProvider(openai_client=sdk)
    )
    return OpenAIChatModel(settings.name, provider=provider, settings=_request_settings(settings))


def _anthropic(settings: ModelSettings, client: httpx2.AsyncClient) -> Model:
    sdk = AsyncAnthropic(
        api_key=settings.api_key.reveal(),
        base_url=settings.base_url.reveal() or _ANTHROPIC_URL,
        http_client=client,
        timeout=client.timeout,
        max_retries=0,
    )
    provider = AnthropicProvider(anthropic_client=sdk)
    profile = AnthropicProvider.model_profile(settings.name) or {}
    request: RequestSettings = _request_settings(settings)
    if profile.get("anthropic_supports_adaptive_thinking") and settings.temperature is None:
        # Its default shows no thoughts; a temperature would be refused beside it.
        request = AnthropicModelSettings(anthropic_thinking={"type": "adaptive", "display": "summarized"})
    return AnthropicModel(settings.name, provider=provider, settings=request)


def _request_settings(settings: ModelSettings) -> RequestSettings:
    return RequestSettings() if settings.temperature is None else RequestSettings(temperature=settings.temperature)
