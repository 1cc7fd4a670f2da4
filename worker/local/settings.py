"""What `python -m worker.local` needs to know, and the environment it gives to the processes it starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from honcho.environ import parse

from worker.contract.environment import Environment, Secret


@dataclass(frozen=True, kw_only=True)
class LocalSettings:
    """Settings of the whole system on one machine."""

    #: Where the page is served.
    port: int
    #: Who may reach the page: this machine alone, unless set to `0.0.0.0`.
    bind_host: str
    #: A Redis that runs already; empty: one is started.
    redis_url: str
    #: Holds everything that outlives a run of the system.
    data_dir: Path
    #: Empty: one is made and kept in `data_dir`.
    secret_key: Secret
    #: … and this one as well.
    ops_password: Secret

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> LocalSettings:
        """Read the settings.

        Raises:
            SettingsError: With all problems at once.
        """
        env = Environment(environ)
        settings = cls(
            port=env.integer("PORT", 8000, high=65_535),
            bind_host=env.text("BIND_HOST", "127.0.0.1"),
            redis_url=env.redis_url() if env.text("REDIS_URL") else "",
            data_dir=Path(env.text("DATA_DIR", ".data")).absolute(),
            secret_key=env.secret("SECRET_KEY"),
            ops_password=env.secret("OPS_PASSWORD"),
        )
        env.check()
        return settings


def with_dotenv(environ: Mapping[str, str], file: Path) -> dict[str, str]:
    """`environ` with the lines of a `.env` file below it: what is set outside wins."""
    try:
        lines: dict[str, str] = parse(file.read_text())
    except FileNotFoundError:
        return dict(environ)
    return {**lines, **environ}
