"""What one machine keeps between runs of the system: Redis's data, its port, and secrets."""

from __future__ import annotations

import contextlib
import secrets
from pathlib import Path

from worker.local.ports import free_port, is_free

_SECRET_BYTES = 32
#: A person may have to type it.
_PASSWORD_BYTES = 12


class DataDirectory:
    """A directory that only its owner can read."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.redis = self.path / "redis"

    def prepare(self) -> None:
        """Make the directories."""
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.redis.mkdir(exist_ok=True, mode=0o700)

    def secret_key(self) -> str:
        """The secret that signs this machine's cookies: made once, so that a restart signs nobody out."""
        return self._secret("secret_key", _SECRET_BYTES)

    def ops_password(self) -> str:
        """The operators' password, made once."""
        return self._secret("ops_password", _PASSWORD_BYTES)

    def redis_port(self) -> int:
        """The port of the last run, so that tools find the server again; another free one if it is taken by now."""
        file = self.redis / "port"
        with contextlib.suppress(FileNotFoundError, ValueError):
            port = int(file.read_text())
            if is_free(port):
                return port
        port = free_port()
        file.write_text(f"{port}\n")
        return port

    def _secret(self, name: str, size: int) -> str:
        file = self.path / name
        file.touch(mode=0o600)
        if not (secret := file.read_text().strip()):
            secret = secrets.token_urlsafe(size)
            file.write_text(f"{secret}\n")
        return secret
