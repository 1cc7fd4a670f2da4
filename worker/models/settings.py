"""What the environment may set about the model. The choice of provider is a rule without I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args
from urllib.parse import urlsplit

from worker.contract.environment import Environment, Secret

RealProvider = Literal["openai", "anthropic"]
Provider = Literal["openai", "anthropic", "offline"]

_NONE = Secret()
_DEFAULT_MODELS: dict[RealProvider, str] = {"openai": "gpt-5-mini", "anthropic": "claude-sonnet-5"}
#: What the providers' interfaces allow.
_MAX_TEMPERATURE: dict[Provider, float] = {"openai": 2.0, "anthropic": 1.0, "offline": 2.0}


@dataclass(frozen=True, kw_only=True)
class ModelSettings:
    """Which model answers, where it is, and how patient we are with it."""

    provider: Provider
    #: The provider's own name of the model; `offline` when there is none.
    name: str
    #: Empty for an endpoint that wants none.
    api_key: Secret = _NONE
    #: Empty: the provider's own address. Secret because it may hold a password.
    base_url: Secret = _NONE
    #: For a connection, and for the silence before each piece of an answer; not for the whole answer.
    timeout_seconds: float = 120.0
    #: Further tries after the first one, before anything of an answer was seen.
    max_retries: int = 4
    #: None: the provider's default.
    temperature: float | None = None
    #: Between two pieces of what the offline model says, so that a person can watch it.
    offline_delay_seconds: float = 0.03

    @classmethod
    def from_env(cls, env: Environment) -> ModelSettings:
        """Read the settings; whatever is wrong is added to `env.problems`."""
        endpoints: dict[RealProvider, _Endpoint] = {name: _read_endpoint(env, name) for name in get_args(RealProvider)}
        provider, name = _choose(env, endpoints)
        endpoint = _Endpoint(_NONE, _NONE) if provider == "offline" else endpoints[provider]
        return cls(
            provider=provider,
            name=name,
            api_key=endpoint.key,
            base_url=endpoint.base_url,
            # Models that reason may be silent for a minute before their first word.
            timeout_seconds=env.number("MODEL_TIMEOUT_SECONDS", 120.0, low=0.1, high=3600),
            max_retries=env.integer("MODEL_MAX_RETRIES", 4, low=0, high=20),
            temperature=_read_temperature(env, _MAX_TEMPERATURE[provider]),
            offline_delay_seconds=env.number("OFFLINE_DELAY_SECONDS", 0.03, low=0, high=1),
        )

    @property
    def key_variable(self) -> str:
        """The variable that holds the key, for messages."""
        return f"{self.provider.upper()}_API_KEY"

    @property
    def url_variable(self) -> str:
        """The variable that holds the address, for messages."""
        return f"{self.provider.upper()}_BASE_URL"

    def secrets(self) -> list[str]:
        """Every text that must not be shown to anybody."""
        address = urlsplit(self.base_url.reveal())
        found = [self.api_key.reveal(), address.password, address.query]
        return [text for text in found if text]


class _Endpoint(NamedTuple):
    key: Secret
    base_url: Secret

    @property
    def is_set(self) -> bool:
        return bool(self.key or self.base_url)


def _read_endpoint(env: Environment, provider: RealProvider) -> _Endpoint:
    prefix = provider.upper()
    key, base_url = env.secret(f"{prefix}_API_KEY"), env.secret(f"{prefix}_BASE_URL")
    # A header cannot carry anything else, and the error that says so would quote the key.
    if not all("!" <= character <= "~" for character in key.reveal()):
        env.problems.append(f"{prefix}_API_KEY has a space, a line break or a letter in it that no key has")
    if base_url and not _is_http(base_url.reveal()):
        env.problems.append(f"{prefix}_BASE_URL is no address such as https://models.example.com/v1")
    return _Endpoint(key, base_url)


def _is_http(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        return False


def _choose(env: Environment, endpoints: dict[RealProvider, _Endpoint]) -> tuple[Provider, str]:
    """Decide who answers, from `MODEL` and from what there is a key or an address for."""
    wanted = env.text("MODEL")
    if wanted == "offline":
        return "offline", "offline"
    usable: list[RealProvider] = [provider for provider, endpoint in endpoints.items() if endpoint.is_set]
    if not usable and not wanted:
        return "offline", "offline"
    provider, name = _split(wanted, usable)
    endpoint = endpoints[provider]
    _check_endpoint(env, provider, endpoint, wanted)
    if not name and provider == "openai" and endpoint.base_url and not endpoint.key:
        env.problems.append("MODEL is not set; expected the name of a model at OPENAI_BASE_URL")
    return provider, name or _DEFAULT_MODELS[provider]


def _split(wanted: str, usable: list[RealProvider]) -> tuple[RealProvider, str]:
    prefix, colon, rest = wanted.partition(":")
    # Only known prefixes: names such as `qwen3:8b` have a colon of their own.
    for provider in get_args(RealProvider):
        if colon and prefix == provider:
            return provider, rest.strip()
    if len(usable) == 1:
        return usable[0], wanted
    return ("anthropic" if wanted.startswith("claude") else "openai"), wanted


def _check_endpoint(env: Environment, provider: RealProvider, endpoint: _Endpoint, wanted: str) -> None:
    prefix = provider.upper()
    if endpoint.key or (provider == "openai" and endpoint.base_url):
        return
    alternative = " (or OPENAI_BASE_URL)" if provider == "openai" else ""
    asked = f"MODEL is {wanted!r}" if wanted else f"{prefix}_BASE_URL is set"
    env.problems.append(f"{asked}, but {prefix}_API_KEY{alternative} is not set; set it, or MODEL=offline")


def _read_temperature(env: Environment, high: float) -> float | None:
    return env.number("MODEL_TEMPERATURE", 0.0, high=high) if env.text("MODEL_TEMPERATURE") else None
