"""The whole platform: artefact, environment, Redis, processes, router."""

from __future__ import annotations

import contextlib
import secrets
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.staging.platform.artefact import Artefact
from tests.staging.platform.certificates import Certificates, make_certificates, trusting
from tests.staging.platform.connections import ConnectionCount
from tests.staging.platform.errors import PartMissing
from tests.staging.platform.formation import Formation
from tests.staging.platform.parts import REDIS, RELEASE, ROUTER, Plan
from tests.staging.platform.process import PlatformProcess
from tests.staging.platform.redis_server import StagingRedis
from tests.staging.platform.router import Router
from tests.staging.platform.watch import Watch
from worker.contract import keys
from worker.local.ports import free_port

#: A deploy has the old web processes and the new ones behind the router.
SLOTS = 4
#: The crew, and agents of the checks as a team would add its own.
AGENTS = "worker.crew.agents,tests.support.agents"

#: Of one process; see docs/settings.md.
CONNECTIONS = 10

Say = Callable[[str], object]


@dataclass(frozen=True)
class Programs:
    """What the platform is made of."""

    redis: Path
    haproxy: Path
    #: The folder of the artefact's environment with its programs.
    environment: Path


class Platform:
    """One deployment of the artefact; every file of it is in `directory`."""

    def __init__(self, artefact: Artefact, programs: Programs, directory: Path, plan: Plan) -> None:
        self.artefact = artefact
        self.plan = plan
        self.directory = directory
        self.logs = directory / "logs"
        self.logs.mkdir(parents=True, exist_ok=True)
        self.certificates: Certificates = make_certificates(directory / "certificates")
        self.counter = directory / "counter"
        slots = tuple(free_port() for _ in range(SLOTS))
        self.redis = self._make_redis(programs.redis)
        self.router = self._make_router(programs.haproxy, slots)
        self.formation = Formation(
            artefact, programs.environment, variables=self._variables(), slots=slots, logs=self.logs
        )
        self.watch = Watch(lambda: self.processes)
        self.connections = ConnectionCount(
            self.redis.connect, members=lambda: len(self.formation.members), usual=plan.webs + plan.workers
        )

    @property
    def url(self) -> str:
        return self.router.url

    @property
    def tls(self) -> ssl.SSLContext:
        return trusting(self.certificates.authority)

    @property
    def processes(self) -> list[PlatformProcess]:
        """Everything that runs now."""
        found = [self.redis.process, *(member.process for member in self.formation.members), self.router.process]
        return [process for process in found if process is not None]

    def start(self, say: Say) -> None:
        """Bring everything up, in the order of a first deploy.

        Raises:
            PartMissing: a part did not come up, or is left out.
        """
        steps = (
            (REDIS, self.redis.start),
            (RELEASE, self.formation.release),
            ("web and worker", lambda: self.formation.start(self.plan)),
            (ROUTER, self.router.start),
        )
        self.watch.start()
        for part, start in steps:
            if part == self.plan.without:
                say(f"{part} is left out")
                if part in (REDIS, RELEASE):
                    raise PartMissing(part, "it was not started; nothing can be deployed without it.")
                continue
            say(f"starting {part}")
            start()
        self.connections.start()

    def count_runs(self) -> int:
        """How many runs were ever asked for."""
        client = self.redis.connect()
        try:
            return sum(1 for _ in client.scan_iter(match=keys.run("*"), count=1000))
        finally:
            client.close()

    def stop(self) -> None:
        """End everything, Redis last."""
        self.connections.stop()
        self.router.stop()
        self.formation.end(list(self.formation.members))
        self.redis.stop()
        self.watch.stop()

    def _make_redis(self, program: Path) -> StagingRedis:
        directory, log = self.directory / "redis", self.logs / "redis.log"
        password = secrets.token_urlsafe(24)
        return StagingRedis(program, directory, self.certificates, port=free_port(), password=password, log=log)

    def _make_router(self, program: Path, slots: tuple[int, ...]) -> Router:
        directory, log = self.directory / "router", self.logs / "router.log"
        return Router(program, directory, self.certificates, port=free_port(), slots=slots, log=log)

    def _variables(self) -> dict[str, str]:
        return {
            "REDIS_URL": self.redis.url,
            "REDIS_CA_FILE": str(self.certificates.authority),
            "SECRET_KEY": secrets.token_urlsafe(32),
            "WEB_CONCURRENCY": "1",
            "REDIS_CONNECTIONS": str(CONNECTIONS),
            "DATA_DIR": str(self.directory / "data"),
            "AGENTS": AGENTS,
            "COUNTER_FILE": str(self.counter),
        }


@contextlib.contextmanager
def running(platform: Platform, *, say: Say) -> Iterator[Platform]:
    """Bring a platform up; ended at the end, whatever happens."""
    try:
        platform.start(say)
        yield platform
    finally:
        platform.stop()
