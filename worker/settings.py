"""What the worker's environment may set; docs/settings.md lists it for people, and a test holds the two together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from worker.contract.commands import is_queue_name
from worker.contract.environment import Environment
from worker.contract.shared_settings import SharedSettings, read_shared
from worker.models.settings import ModelSettings
from worker.reaping.settings import ReapingSettings

_DAY_MS = 86_400_000


@dataclass(frozen=True, kw_only=True)
class WorkerSettings(SharedSettings):
    """Settings of one worker process, read once at its start."""

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
    #: How long an uploaded file stays after its last change.
    file_retention_seconds: int
    #: How long steps may go on after a request to stop, before their runs are given back in the middle of them.
    drain_seconds: float
    #: A run that writes nothing for so long, beside what its tools may take, is ended as stalled.
    stall_seconds: float
    #: How long a person has to decide on a tool call, unless the tool says otherwise.
    approval_seconds: float
    reaping: ReapingSettings
    #: True: Celery tells Flower what it does.
    task_events: bool
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
        return cls(
            **read_shared(env),
            queues=_queues(env),
            agents=env.names("AGENTS", "worker.crew.agents"),
            concurrency=env.integer("AGENT_CONCURRENCY", 64, high=1000),
            data_dir=Path(env.text("DATA_DIR", ".data")),
            run_timeout_seconds=env.number("RUN_TIMEOUT_SECONDS", 900, low=1),
            file_retention_seconds=round(env.number("FILE_RETENTION_DAYS", 30, low=0.001) * _DAY_MS / 1000),
            drain_seconds=env.number("DRAIN_SECONDS", 10),
            stall_seconds=env.number("STALL_SECONDS", 300, low=1),
            approval_seconds=env.number("APPROVAL_SECONDS", 86_400, low=1),
            reaping=ReapingSettings.from_env(env),
            task_events=env.boolean("TASK_EVENTS", default=False),
            models=ModelSettings.from_env(env),
        )


def _queues(env: Environment) -> tuple[str, ...]:
    names = env.names("QUEUES")
    for name in names:
        if not is_queue_name(name):
            env.problems.append(f"QUEUES has {name[:60]!r}; expected names of letters, digits and dots")
    return names
