"""The system as a platform runs it: the Procfile's lines as real processes, on a Redis of their own."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.environment import ROOT
from tests.support.processes import Process
from tests.support.redis import RedisServer, free_port, new_server
from tests.support.waiting import wait_until
from worker.local.ports import answers_ok

SECRET_KEY = "a secret key that only tests use, 32 bytes or more"
READY_SECONDS = 40.0


def procfile_line(name: str) -> str:
    """The command of a process type, as written in the Procfile."""
    lines = dict(line.split(": ", 1) for line in (ROOT / "Procfile").read_text().splitlines() if line)
    return lines[name]


@dataclass
class System:
    """One Redis, and the web and worker processes started on it; `settings` reach all of them.

    Start a worker before the first web process: `/readyz` asks for one.
    """

    directory: Path
    redis: RedisServer
    settings: Mapping[str, str] = field(default_factory=dict)
    workers: list[Process] = field(default_factory=list)
    webs: list[Process] = field(default_factory=list)
    ports: dict[int, int] = field(default_factory=dict)

    @property
    def redis_url(self) -> str:
        return self.redis.url

    @property
    def url(self) -> str:
        """The address of the web process that was started last, without a slash at the end."""
        return self.url_of(self.webs[-1])

    def url_of(self, web: Process) -> str:
        return f"http://127.0.0.1:{self.ports[web.pid]}"

    @property
    def worker(self) -> Process:
        """The worker that was started last."""
        return self.workers[-1]

    @property
    def web(self) -> Process:
        """The web process that was started last."""
        return self.webs[-1]

    def start_worker(self, **settings: str) -> Process:
        """Start one more worker; does not wait for it, since a web process's `/readyz` does."""
        worker = self._start("worker", len(self.workers) + 1, settings)
        self.workers.append(worker)
        return worker

    def start_web(self, *, port: int | None = None, ready: str = "/readyz", **settings: str) -> Process:
        """Start one more web process and wait until `ready` answers 200.

        Args:
            port: None takes a free one; give the port of one that ended to start it anew at its address.
            ready: `/healthz` where no worker runs.
        """
        port = port or free_port()
        web = self._start("web", len(self.webs) + 1, {"BIND_HOST": "127.0.0.1", "PORT": str(port), **settings})
        self.webs.append(web)
        self.ports[web.pid] = port
        self._wait_until_ready(web, ready)
        return web

    def stop(self) -> None:
        """End all processes, Redis last."""
        for process in [*reversed(self.webs), *reversed(self.workers)]:
            process.stop()
        self.redis.stop()

    def _start(self, kind: str, number: int, settings: Mapping[str, str]) -> Process:
        variables = {
            "REDIS_URL": self.redis.url,
            "DATA_DIR": str(self.directory / "data"),
            "SECRET_KEY": SECRET_KEY,
            **self.settings,
            **settings,
        }
        return Process(f"{kind}.{number}", procfile_line(kind), settings=variables, directory=self.directory)

    def _wait_until_ready(self, web: Process, path: str) -> None:
        def ready_or_dead() -> bool:
            return answers_ok(self.url_of(web) + path) or self._dead() is not None

        wait_until(ready_or_dead, READY_SECONDS, what=f"{self.url_of(web)}{path} answers 200")
        if dead := self._dead():
            raise AssertionError(f"{dead.name} ended with {dead.exit_code} at start:\n{dead.tail()}")

    def _dead(self) -> Process | None:
        newest = [*self.webs[-1:], *self.workers[-1:]]
        return next((process for process in newest if not process.is_running), None)


@contextlib.contextmanager
def running_system(directory: Path, settings: Mapping[str, str] | None = None) -> Iterator[System]:
    """Redis, one worker and one web process, ready; all ended at the end."""
    system = System(directory, new_server(directory / "redis"), settings or {})
    try:
        system.redis.start()
        system.start_worker()
        system.start_web()
        yield system
    finally:
        system.stop()
