"""What the worker's environment may set; docs/settings.md lists it for people, and a test holds the two together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from worker.contract import connections
from worker.contract.commands import is_queue_name
from worker.contract.environment import Environment
from worker.contract.log_lines import level_of
from worker.models.settings import ModelSettings
from worker.reaping.settings import ReapingSettings

_DAY_MS = 86_400_000
_MB = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class WorkerSettings:
    """Settings of one worker process, read once at its start."""

    #: May hold a password, so it is not printed.
    redis_url: str = field(repr=False)
    #: Where Celery's messages wait.
    broker_url: str = field(repr=False)
    #: Connections to Redis that one process may hold; see `worker.contract.connections`.
    redis_connections: int
    #: How long a start waits for Redis.
    redis_wait_seconds: float
    #: Whose runs this process takes; empty means those of all its agents.
    queues: tuple[str, ...]
    #: Modules whose agents can run, the default agent's first.
    agents: tuple[str, ...]
    #: Runs at once in this process. Each costs about 0.2 MB; processor time is the limit, not memory.
    concurrency: int
    #: Where this worker keeps its cache of users' tables. May be lost at any time.
    data_dir: Path
    #: A run that takes longer is ended as failed.
    run_timeout_seconds: float
    #: How long a finished run stays readable.
    retention_ms: int
    #: How long an uploaded file stays after its last change.
    file_retention_seconds: int
    #: One file that an agent stores, and all files of one user; the same numbers as for uploads.
    max_file_bytes: int
    max_user_files_bytes: int
    #: How long steps may go on after a request to stop, before their runs are given back in the middle of them.
    drain_seconds: float
    #: A run that writes nothing for so long, beside what its tools may take, is ended as stalled.
    stall_seconds: float
    #: How long a person has to decide on a tool call, unless the tool says otherwise.
    approval_seconds: float
    reaping: ReapingSettings
    #: True: a server that may throw keys away is all right.
    allow_eviction: bool
    #: True: Celery tells Flower what it does.
    task_events: bool
    #: As `logging` has it.
    log_level: int
    models: ModelSettings

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> WorkerSettings:
        """Read the settings.

        Raises:
            SettingsError: With all problems at once.
        """
        env = Environment(environ)
        settings = cls.read(env)
        env.check()
        return settings

    @classmethod
    def read(cls, env: Environment) -> WorkerSettings:
        """The same with what is wrong left in `env.problems`; a default, or nothing, stands for it."""
        redis_url = env.redis_url()
        return cls(
            redis_url=redis_url,
            broker_url=env.broker_url(redis_url),
            redis_connections=env.integer("REDIS_CONNECTIONS", connections.DEFAULT, low=connections.LEAST, high=1000),
            redis_wait_seconds=env.number("REDIS_WAIT_SECONDS", 30, high=600),
            queues=_queues(env),
            agents=env.names("AGENTS", "worker.crew.agents"),
            concurrency=env.integer("AGENT_CONCURRENCY", 64, high=1000),
            data_dir=Path(env.text("DATA_DIR", ".data")),
            run_timeout_seconds=env.number("RUN_TIMEOUT_SECONDS", 900, low=1),
            retention_ms=round(env.number("RUN_RETENTION_DAYS", 7, low=0.001) * _DAY_MS),
            file_retention_seconds=round(env.number("FILE_RETENTION_DAYS", 30, low=0.001) * _DAY_MS / 1000),
            max_file_bytes=round(env.number("MAX_FILE_MB", 20, low=0.001, high=200) * _MB),
            max_user_files_bytes=round(env.number("MAX_USER_FILES_MB", 100, low=0.001, high=2000) * _MB),
            drain_seconds=env.number("DRAIN_SECONDS", 10),
            stall_seconds=env.number("STALL_SECONDS", 300, low=1),
            approval_seconds=env.number("APPROVAL_SECONDS", 86_400, low=1),
            reaping=ReapingSettings.from_env(env),
            allow_eviction=env.boolean("ALLOW_EVICTION", default=False),
            task_events=env.boolean("TASK_EVENTS", default=False),
            log_level=level_of(env),
            models=ModelSettings.from_env(env),
        )


def _queues(env: Environment) -> tuple[str, ...]:
    names = env.names("QUEUES")
    for name in names:
        if not is_queue_name(name):
            env.problems.append(f"QUEUES has {name[:60]!r}; expected names of letters, digits and dots")
    return names
