"""The whole system as one object: Redis, the processes of the Procfile on it, and the way back."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from worker.local.data_directory import DataDirectory
from worker.local.errors import NotReady, PortTaken, ProcessDied
from worker.local.ports import answers_ok, is_free, read_json
from worker.local.processes import Processes, read_procfile
from worker.local.redis_server import RedisServer, find_server
from worker.local.release import run_release
from worker.local.restarts import PAUSE_SECONDS, Restarts
from worker.local.settings import LocalSettings

READY_SECONDS = 90.0
#: Each question may be a line in the web process's log.
READY_POLL_SECONDS = 0.5
WATCH_POLL_SECONDS = 0.1

#: Longer than a worker lets its runs go on, so that it ends by itself.
STOP_SECONDS = 30.0


class StopRequest:
    """A person's wish to stop; a second one means at once. `request` may be called from a signal handler."""

    def __init__(self) -> None:
        self._requests = 0
        self._event = threading.Event()

    def request(self) -> None:
        self._requests += 1
        self._event.set()

    @property
    def is_wanted(self) -> bool:
        return self._event.is_set()

    def is_wanted_at_once(self) -> bool:
        return self._requests > 1

    def wait(self, seconds: float) -> None:
        """Block for `seconds`, shorter if a wish comes or came."""
        self._event.wait(seconds)


class LocalSystem:
    """Everything that `python -m worker.local` starts; `stop` ends all of that and nothing else.

    Args:
        environ: reaches every process, with what is missing for them filled in.
        root: where the Procfile is.
    """

    def __init__(self, settings: LocalSettings, environ: Mapping[str, str], root: Path, stop: StopRequest) -> None:
        self._settings = settings
        self._environ = environ
        self._root = root
        self._stop = stop
        self._data = DataDirectory(settings.data_dir)
        self._redis: RedisServer | None = None
        self._processes: Processes | None = None
        self._commands = read_procfile(root / "Procfile")
        #: Runs once, before the others.
        self._release = self._commands.pop("release", "")
        self._restarts = Restarts()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._settings.port}"

    def start(self) -> None:
        """Start everything and block until `/readyz` is content, or until a stop is wanted.

        Raises:
            LocalError: what is in the way.
        """
        if not is_free(self._settings.port, self._settings.bind_host):
            raise PortTaken(
                f"Port {self._settings.port} is taken by another program: stop it, "
                f"or choose another port, for example: make run PORT={self._settings.port + 1}"
            )
        self._data.prepare()
        redis_url = self._settings.redis_url or self._start_redis()
        environ = self._child_environment(redis_url)
        if self._release:
            run_release(self._release, environ, self._root, is_stopped=lambda: self._stop.is_wanted)
        if self._stop.is_wanted:
            return
        self._processes = Processes(environ, self._root, sys.stdout, width=max(map(len, self._commands)))
        for name in self._commands:
            self._start_process(name)
        self._wait_until_ready()

    def announcement(self) -> str:
        """What a person wants to know of a system that is ready: where the page is, who answers, where the data is."""
        catalogue = read_json(f"{self.url}/api/agents")
        hint = " (set OPENAI_API_KEY or ANTHROPIC_API_KEY for a real one)" if catalogue["offline"] else ""
        # One that was set outside is known to who set it, and this output may be kept by someone else.
        shown = "that of OPS_PASSWORD" if self._settings.ops_password else self._ops_password()
        return (
            f"\noutloud is ready: {self.url}\n"
            f"Model: {catalogue['model']}{hint}\n"
            f"Operators: {self.url}/ops (any name, password {shown})\n"
            f"Data: {self._data.path}, Redis: {self._redis or 'the one of REDIS_URL'}\n"
            "Ctrl-C stops it.\n"
        )

    def watch(self) -> None:
        """Block until a stop is wanted; what ends meanwhile is started again, as a platform does it.

        Raises:
            ProcessDied: if something ends again and again.
            RedisServerFailed: if the server cannot be started again.
        """
        while not self._stop.is_wanted:
            self._restart_ended()
            self._stop.wait(WATCH_POLL_SECONDS)

    def stop(self) -> None:
        """End what was started: web first, so that nobody is promised a run; Redis last, so that all is written."""
        if self._processes is not None:
            for name in self._commands:
                self._processes.stop(name, seconds=STOP_SECONDS, in_a_hurry=self._stop.is_wanted_at_once)
            self._processes.close()
        if self._redis is not None:
            self._redis.stop()

    def _start_redis(self) -> str:
        self._redis = RedisServer(find_server(), self._data.redis, port=self._data.redis_port())
        self._redis.start()
        return self._redis.url

    def _child_environment(self, redis_url: str) -> dict[str, str]:
        # The environment's own programs first: the Procfile's commands name no path.
        path = os.pathsep.join([str(Path(sys.executable).parent), self._environ.get("PATH", os.defpath)])
        return {
            # Nothing is in front: who asks could make addresses up.
            "TRUSTED_PROXIES": "0",
            **{name: value for name, value in self._environ.items() if value or name != "TRUSTED_PROXIES"},
            "PATH": path,
            "PYTHONUNBUFFERED": "1",
            "BIND_HOST": self._settings.bind_host,
            "PORT": str(self._settings.port),
            "REDIS_URL": redis_url,
            "DATA_DIR": str(self._data.path),
            "SECRET_KEY": self._settings.secret_key.reveal() or self._data.secret_key(),
            "OPS_PASSWORD": self._ops_password(),
        }

    def _ops_password(self) -> str:
        return self._settings.ops_password.reveal() or self._data.ops_password()

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while not self._stop.is_wanted and not answers_ok(f"{self.url}/readyz"):
            self._check_alive()
            if time.monotonic() > deadline:
                raise NotReady(f"{self.url}/readyz did not answer 200 within {READY_SECONDS:.0f} s.")
            self._stop.wait(READY_POLL_SECONDS)

    def _restart_ended(self) -> None:
        if self._redis is not None and not self._redis.is_running and self._pause("Redis", self._redis_end()):
            self._redis.start()
        for name, code in (self._processes.ended() if self._processes else {}).items():
            if self._pause(name, f"{name} ended by itself with exit code {code}; the reason is among its lines above."):
                self._start_process(name)

    def _redis_end(self) -> str:
        return f"Redis ended by itself; its log: {self._redis.log_file}" if self._redis else ""

    def _pause(self, name: str, words: str) -> bool:
        """Say that something ended and wait a moment; False if a stop is wanted meanwhile.

        Raises:
            ProcessDied: It has ended too often.
        """
        if not self._restarts.may_restart(name, now=time.monotonic()):
            raise ProcessDied(words)
        if self._processes is not None:
            self._processes.say(f"{words} Starting it again.")
        self._stop.wait(PAUSE_SECONDS)
        return not self._stop.is_wanted

    def _start_process(self, name: str) -> None:
        if self._processes is not None:
            self._processes.start(name, self._commands[name])

    def _check_alive(self) -> None:
        if self._stop.is_wanted:
            return
        if self._redis is not None and not self._redis.is_running:
            raise ProcessDied(self._redis_end())
        for name, code in (self._processes.ended() if self._processes else {}).items():
            raise ProcessDied(f"{name} ended by itself with exit code {code}; the reason is among its lines above.")
