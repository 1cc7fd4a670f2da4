"""A Redis as a small plan of a host has it: TLS of a private authority, a password, few connections, no CONFIG."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import redis

from tests.staging.platform.certificates import Certificates
from tests.staging.platform.errors import PartMissing
from tests.staging.platform.parts import REDIS
from tests.staging.platform.process import PlatformProcess
from tests.support.waiting import POLL_SECONDS, scaled

#: A small plan of common hosts. Four processes take half of it, and a deploy has eight of them for a moment.
MAX_CLIENTS = 80
_START_SECONDS = 15.0


class StagingRedis:
    """The server; may be stopped and started again with its data."""

    def __init__(
        self, program: Path, directory: Path, certificates: Certificates, *, port: int, password: str, log: Path
    ) -> None:
        self._program = program
        self._directory = directory
        self._certificates = certificates
        self._port = port
        self._password = password
        self._log = log
        self.process: PlatformProcess | None = None

    @property
    def url(self) -> str:
        """What an add-on puts into REDIS_URL."""
        return f"rediss://default:{self._password}@127.0.0.1:{self._port}/0"

    def start(self) -> None:
        """Start it and wait until it has loaded its data.

        Raises:
            PartMissing: it did not come up.
        """
        self._directory.mkdir(parents=True, exist_ok=True)
        self.process = PlatformProcess(
            REDIS, [str(self._program), *self._arguments()], variables={}, directory=self._directory, log=self._log
        )
        end = time.monotonic() + scaled(_START_SECONDS)
        while not self._answers():
            if not self.process.is_running or time.monotonic() > end:
                raise PartMissing(REDIS, f"it does not answer.\n{self.process.tail()}")
            time.sleep(POLL_SECONDS)

    def stop(self) -> None:
        """End it so that it writes its data first."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait()

    def connect(self) -> redis.Redis:
        """A client that returns text and uses one connection of the few."""
        return redis.Redis.from_url(
            self.url,
            ssl_ca_certs=str(self._certificates.authority),
            decode_responses=True,
            socket_timeout=5,
            max_connections=1,
        )

    def _arguments(self) -> list[str]:
        settings = {
            "bind": "127.0.0.1",
            "port": "0",
            "tls-port": str(self._port),
            "tls-cert-file": str(self._certificates.redis_certificate),
            "tls-key-file": str(self._certificates.redis_key),
            "tls-ca-cert-file": str(self._certificates.authority),
            "tls-auth-clients": "no",
            "requirepass": self._password,
            "maxclients": str(MAX_CLIENTS),
            "maxmemory": "64mb",
            "maxmemory-policy": "noeviction",
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
            "dir": str(self._directory),
        }
        # Hosts keep this command to themselves.
        arguments = ["--rename-command", "CONFIG", ""]
        return [*(part for name, value in settings.items() for part in (f"--{name}", value)), *arguments]

    def _answers(self) -> bool:
        client = self.connect()
        try:
            answer: Any = client.ping()
        except redis.RedisError:
            return False
        finally:
            client.close()
        return bool(answer)
