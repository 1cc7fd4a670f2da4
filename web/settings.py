"""What the web process's environment may set; read once at its start, by nothing else."""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from web.identity_settings import IdentitySettings
from worker.contract.environment import Environment, Secret
from worker.contract.shared_settings import SharedSettings, read_shared
from worker.reaping.settings import ReapingSettings

_DAY_MS = 86_400_000
_SECRET_CHARACTERS = 32
#: It opens figures, and signs nothing.
_TOKEN_CHARACTERS = 16
#: What Standard Webhooks ask for, in bytes; for a text, in characters.
_WEBHOOK_KEY_BYTES = 24
_WEBHOOK_KEY_PREFIX = "whsec_"
_ORIGIN = re.compile(r"https?://[0-9A-Za-z.\-\[\]:]+")
_HTTP_URL = re.compile(r"https?://[!-~]+")


@dataclass(frozen=True, kw_only=True)
class WebSettings(SharedSettings):
    """Settings of one web process."""

    #: A platform's router comes from outside; `make run` and the tests say 127.0.0.1.
    bind_host: str
    port: int
    #: Web processes behind one port; each holds thousands of viewers.
    processes: int
    #: Requests at one time in one process; viewers need no OS thread.
    threads: int
    #: Signs the cookie that says who someone is: whoever knows it can be anyone. The same in all web processes.
    secret_key: Secret
    #: Further origins of our own pages, such as `https://chat.example`: for a proxy that does not pass the name on.
    origins: frozenset[str]
    #: How long a user's files stay after their last change; longer than runs, since they are work of the user.
    file_retention_ms: int
    #: Some 5,000 tokens of English; longer texts belong into a document.
    max_message_chars: int
    #: Unfinished runs of one user; keeps one person, or one loop, from taking all workers.
    max_runs_per_user: int
    #: Unfinished runs of all users: about an hour of work for one worker process. Beyond it, waiting helps nobody.
    max_queued_runs: int
    identity: IdentitySettings
    #: Proxies in front that set X-Forwarded-*. 1 suits every platform with a router. Forging the headers where there is
    #: no proxy gains little: they decide the Secure flag of the forger's own cookie, the address in the log, and which
    #: address a wrong operators' password counts against.
    trusted_proxies: int
    #: Where to tell of outcomes that nobody has seen; empty means nowhere. May hold a token, so it is not printed.
    webhook_url: str = field(repr=False)
    #: Signs what is sent there. Empty without an address.
    webhook_secret: Secret
    #: How long a person has to see an outcome before the webhook tells of it.
    webhook_delay_ms: int
    reaping: ReapingSettings
    #: What a reader of `/metrics` has to show; empty lets everyone read.
    metrics_token: Secret

    @property
    def webhook_key(self) -> bytes:
        """The key that `webhook_secret` stands for."""
        return _webhook_key(self.webhook_secret)

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> WebSettings:
        """Read the settings.

        Raises:
            SettingsError: With all problems at once.
        """
        env = Environment(environ)
        settings = cls.read(env)
        env.check()
        return settings

    @classmethod
    def read(cls, env: Environment) -> WebSettings:
        """The same with what is wrong left in `env.problems`; a default, or nothing, stands for it."""
        return cls(
            **read_shared(env),
            bind_host=env.text("BIND_HOST", "0.0.0.0"),  # noqa: S104 - for the platform's router
            port=env.integer("PORT", 8000, high=65_535),
            processes=env.integer("WEB_CONCURRENCY", 1, high=100),
            threads=env.integer("WEB_THREADS", 32, high=1000),
            secret_key=_secret_key(env),
            origins=_origins(env),
            file_retention_ms=round(env.number("FILE_RETENTION_DAYS", 30, low=0.001) * _DAY_MS),
            max_message_chars=env.integer("MAX_MESSAGE_CHARS", 20_000, high=200_000),
            max_runs_per_user=env.integer("MAX_RUNS_PER_USER", 20),
            max_queued_runs=env.integer("MAX_QUEUED_RUNS", 10_000),
            identity=IdentitySettings.from_env(env),
            trusted_proxies=env.integer("TRUSTED_PROXIES", 1, low=0, high=10),
            webhook_url=_webhook_url(env),
            webhook_secret=_webhook_secret(env),
            webhook_delay_ms=round(env.number("WEBHOOK_DELAY_SECONDS", 60, high=86_400) * 1000),
            reaping=ReapingSettings.from_env(env),
            metrics_token=_metrics_token(env),
        )


def _secret_key(env: Environment) -> Secret:
    secret = env.secret("SECRET_KEY")
    expected = f"at least {_SECRET_CHARACTERS} random characters, the same in every web process"
    if not secret:
        env.problems.append(f"SECRET_KEY is not set; expected {expected}")
    elif len(secret) < _SECRET_CHARACTERS:
        env.problems.append(f"SECRET_KEY has {len(secret)} characters; expected {expected}")
    return secret


def _origins(env: Environment) -> frozenset[str]:
    origins = frozenset(origin.rstrip("/").lower() for origin in env.names("WEB_ORIGINS"))
    for origin in sorted(origins):
        if "*" in origin:
            env.problems.append(
                f"WEB_ORIGINS has {origin[:60]!r}, and any page could act for your users; "
                "expected the origins themselves, such as https://intranet.example"
            )
        elif not _ORIGIN.fullmatch(origin):
            env.problems.append(f"WEB_ORIGINS has {origin[:60]!r}; expected origins such as https://intranet.example")
    return origins


def _metrics_token(env: Environment) -> Secret:
    token = env.secret("METRICS_TOKEN")
    if token and len(token) < _TOKEN_CHARACTERS:
        env.problems.append(
            f"METRICS_TOKEN has {len(token)} characters; expected at least {_TOKEN_CHARACTERS} random ones"
        )
    return token


def _webhook_url(env: Environment) -> str:
    url = env.text("WEBHOOK_URL")
    if url and not _is_http_url(url):
        # Without the value: it may hold a token.
        env.problems.append("WEBHOOK_URL is not an address such as https://example.com/outcomes")
    return url


def _is_http_url(text: str) -> bool:
    try:
        url = urlsplit(text)
        return bool(_HTTP_URL.fullmatch(text) and url.hostname and url.port != 0)
    except ValueError:
        return False


def _webhook_secret(env: Environment) -> Secret:
    secret = env.secret("WEBHOOK_SECRET")
    if not env.text("WEBHOOK_URL"):
        return Secret("")
    expected = f"whsec_ and base64 of at least {_WEBHOOK_KEY_BYTES} bytes, or as many random characters"
    if not secret:
        env.problems.append(f"WEBHOOK_SECRET is not set, which WEBHOOK_URL needs; expected {expected}")
        return secret
    try:
        size = len(_webhook_key(secret))
    except ValueError:
        env.problems.append(f"WEBHOOK_SECRET begins with whsec_ and is not base64 behind it; expected {expected}")
    else:
        if size < _WEBHOOK_KEY_BYTES:
            env.problems.append(f"WEBHOOK_SECRET stands for {size} bytes; expected {expected}")
    return secret


def _webhook_key(secret: Secret) -> bytes:
    """As receivers' libraries read it: base64 behind the prefix; without the prefix the text itself."""
    text = secret.reveal()
    if text.startswith(_WEBHOOK_KEY_PREFIX):
        return b64decode(text.removeprefix(_WEBHOOK_KEY_PREFIX), validate=True)
    return text.encode()
