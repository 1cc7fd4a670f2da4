"""What the web process's environment may set; read once at its start, by nothing else."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from worker.contract.environment import Environment, Secret

_DAY_MS = 86_400_000
_MB = 1024 * 1024
_SECRET_CHARACTERS = 32
_ORIGIN = re.compile(r"https?://[0-9A-Za-z.\-\[\]:]+")
_IDENTITY = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


@dataclass(frozen=True, kw_only=True)
class WebSettings:
    """Settings of one web process."""

    #: May hold a password, so it is not printed.
    redis_url: str = field(repr=False)
    port: int
    #: Signs the cookie that says who someone is: whoever knows it can be anyone. The same in all web processes.
    secret_key: Secret
    #: Further origins of our own pages, such as `https://chat.example`: for a proxy that does not pass the name on.
    origins: frozenset[str]
    #: How long a finished run stays readable: a week covers a holiday, and bounds Redis' memory.
    retention_ms: int
    #: How long a user's files stay after their last change; longer than runs, since they are work of the user.
    file_retention_ms: int
    #: Some 5,000 tokens of English; longer texts belong into a document.
    max_message_chars: int
    #: One file. Redis keeps it in memory, compressed, and a worker reads it whole.
    max_file_bytes: int
    #: All files of one user together, uncompressed.
    max_user_files_bytes: int
    #: Unfinished runs of one user; keeps one person, or one loop, from taking all workers.
    max_runs_per_user: int
    #: Unfinished runs of all users: about an hour of work for one worker process. Beyond it, waiting helps nobody.
    max_queued_runs: int
    #: `module:function` that says who sends a request; empty means anonymous users by cookie. See `identity`.
    identity: str
    #: Proxies in front that set X-Forwarded-*. 1 suits every platform with a router. Forging the headers where there is
    #: no proxy gains nothing: they decide the Secure flag of the forger's own cookie and the address in the log.
    trusted_proxies: int

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> WebSettings:
        """Read the settings.

        Raises:
            SettingsError: With all problems at once.
        """
        env = Environment(environ)
        settings = cls(
            redis_url=env.redis_url(),
            port=env.integer("PORT", 8000, high=65_535),
            secret_key=_secret_key(env),
            origins=_origins(env),
            retention_ms=round(env.number("RUN_RETENTION_DAYS", 7, low=0.001) * _DAY_MS),
            file_retention_ms=round(env.number("FILE_RETENTION_DAYS", 30, low=0.001) * _DAY_MS),
            max_message_chars=env.integer("MAX_MESSAGE_CHARS", 20_000, high=200_000),
            max_file_bytes=round(env.number("MAX_FILE_MB", 20, low=0.001, high=200) * _MB),
            max_user_files_bytes=round(env.number("MAX_USER_FILES_MB", 100, low=0.001, high=2000) * _MB),
            max_runs_per_user=env.integer("MAX_RUNS_PER_USER", 20),
            max_queued_runs=env.integer("MAX_QUEUED_RUNS", 10_000),
            identity=_identity(env),
            trusted_proxies=env.integer("TRUSTED_PROXIES", 1, low=0, high=10),
        )
        env.check()
        return settings


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
        if not _ORIGIN.fullmatch(origin):
            env.problems.append(f"WEB_ORIGINS has {origin[:60]!r}; expected origins such as https://intranet.example")
    return origins


def _identity(env: Environment) -> str:
    identity = env.text("IDENTITY")
    if identity and not _IDENTITY.fullmatch(identity):
        env.problems.append(f"IDENTITY is {identity[:60]!r}; expected module:function")
    return identity
