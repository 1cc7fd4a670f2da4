"""The process environment of a test: none of the project's variables unless the test sets them."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, MutableMapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

VARIABLES = frozenset(
    {
        "AGENTS",
        "BIND_HOST",
        "DATA_DIR",
        "IDENTITY",
        "LOG_LEVEL",
        "METRICS_TOKEN",
        "MODEL",
        "OPERATORS",
        "OPS_PASSWORD",
        "PORT",
        "QUEUES",
        "REDIS_URL",
        "SECRET_KEY",
        "SIGN_IN_URL",
        "TASK_EVENTS",
        "TRUSTED_PROXIES",
    }
)
PREFIXES = (
    "AGENT_",
    "ALLOW_",
    "ANTHROPIC_",
    "APPROVAL_",
    "APPROVAL_",
    "BROKER_",
    "CELERY_",
    "DRAIN_",
    "FILE_",
    "GUNICORN_",
    "JWT_",
    "LEASE_",
    "LEASE_",
    "MAX_",
    "MODEL_",
    "OFFLINE_",
    "OPENAI_",
    "OUTLOUD_",
    "OTEL_",
    "PROXY_",
    "QUEUE_",
    "QUEUE_",
    "REDIS_",
    "RELAY_",
    "RUN_",
    "STALL_",
    "STALL_",
    "WEBHOOK_",
    "WEB_",
    "WORKER_",
)


def scrub(environ: MutableMapping[str, str]) -> None:
    """Remove every variable that the project reads, so that the developer's own settings change no test."""
    for name in [name for name in environ if _is_the_projects(name)]:
        del environ[name]


def child_environment(settings: Mapping[str, str]) -> dict[str, str]:
    """The environment for a process of the project: this one, the virtual environment's programs first, `settings`."""
    programs = str(Path(sys.executable).parent)
    environ = {**os.environ, "PATH": os.pathsep.join([programs, os.environ.get("PATH", "")]), "PYTHONUNBUFFERED": "1"}
    scrub(environ)
    return {**environ, **settings}


def _is_the_projects(name: str) -> bool:
    return name in VARIABLES or name.startswith(PREFIXES)
