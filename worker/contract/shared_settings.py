"""What both kinds of process read from the environment in the same way."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from worker.contract import connections
from worker.contract.environment import Environment
from worker.contract.log_lines import level_of

_DAY_MS = 86_400_000
_MB = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class SharedSettings:
    """The settings of every process; each kind adds its own."""

    #: May hold a password, so it is not printed.
    redis_url: str = field(repr=False)
    #: Where messages to the workers wait. May hold a password as well.
    broker_url: str = field(repr=False)
    #: Connections to Redis that one process may hold; see `worker.contract.connections`.
    redis_connections: int
    #: How long a start waits for Redis.
    redis_wait_seconds: float
    #: How long a finished run stays readable: a week covers a holiday, and bounds Redis' memory.
    retention_ms: int
    #: One file. Redis keeps it in memory, compressed, and a worker reads it whole.
    max_file_bytes: int
    #: All files of one user together, uncompressed.
    max_user_files_bytes: int
    #: True: a server that may throw keys away is all right.
    allow_eviction: bool
    #: As `logging` has it.
    log_level: int


def read_shared(env: Environment) -> dict[str, Any]:
    """Read the fields of `SharedSettings`; what is wrong is left in `env.problems`, a default stands for it."""
    redis_url = env.redis_url()
    return vars(
        SharedSettings(
            redis_url=redis_url,
            broker_url=env.broker_url(redis_url),
            redis_connections=env.integer("REDIS_CONNECTIONS", connections.DEFAULT, low=connections.LEAST, high=1000),
            redis_wait_seconds=env.number("REDIS_WAIT_SECONDS", 30, high=600),
            retention_ms=round(env.number("RUN_RETENTION_DAYS", 7, low=0.001) * _DAY_MS),
            max_file_bytes=round(env.number("MAX_FILE_MB", 20, low=0.001, high=200) * _MB),
            max_user_files_bytes=round(env.number("MAX_USER_FILES_MB", 100, low=0.001, high=2000) * _MB),
            allow_eviction=env.boolean("ALLOW_EVICTION", default=False),
            log_level=level_of(env),
        )
    )
