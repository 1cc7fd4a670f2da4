"""The system under test: Redis, workers and web processes with a proxy on every link, and a process manager.

The manager does what a platform does: it starts a process that has ended again, one second later.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import redis

from tests.faults.history import Entry, ProcessEnded, Resources
from tests.faults.variables import COUNTER
from tests.support.processes import Process
from tests.support.proxy import Proxy, ProxyLoop
from tests.support.redis import free_port, new_server
from tests.support.system import SECRET_KEY, procfile_line
from tests.support.waiting import wait_until
from worker.local.ports import answers_ok

RESTART_SECONDS = 1.0
READY_SECONDS = 40.0
LEASE_SECONDS = 2.0
_WATCH_SECONDS = 0.05

SETTINGS = {
    "AGENTS": "tests.faults.agents",
    "LEASE_SECONDS": f"{LEASE_SECONDS:g}",
    "DRAIN_SECONDS": "2",
    "MAX_RUNS_PER_USER": "100",
    "WEB_THREADS": "16",
    "AGENT_CONCURRENCY": "32",
}


@dataclass
class Member:
    """A worker or web process, whichever is running in its place now."""

    kind: str
    number: int
    #: Where it reaches Redis.
    link: Proxy
    port: int
    #: Where people reach it; None for a worker.
    door: Proxy | None = None
    process: Process | None = None
    #: When it was found ended; 0 while it runs.
    ended_at: float = 0.0
    #: Where in its output file the present one begins.
    log_begins_at: int = 0
    #: Somebody has killed or stopped the present one.
    is_doomed: bool = False
    #: Not to be started again.
    is_retired: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def name(self) -> str:
        return f"{self.kind}.{self.number}"

    @property
    def pid(self) -> int:
        return self.process.pid if self.process else 0

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.is_running

    @property
    def words(self) -> str:
        """The last that it said."""
        return self.process.tail(8) if self.process else ""

    @property
    def has_said_ready(self) -> bool:
        """The present process has got through its start."""
        if self.process is None:
            return False
        words = b"Booting worker" if self.door else b'"worker ready"'
        return words in self.process.output_file.read_bytes()[self.log_begins_at :]

    @property
    def is_ready(self) -> bool:
        """It takes work."""
        if self.process is None or not self.process.is_running or self.is_doomed:
            return False
        if self.door is None:
            return self.has_said_ready
        return answers_ok(f"http://127.0.0.1:{self.port}/readyz")


class Fleet:
    """Start it once for many seeds. `say` is told of every process that ends."""

    def __init__(
        self,
        directory: Path,
        *,
        workers: int = 2,
        webs: int = 2,
        settings: Mapping[str, str] | None = None,
        commands: Mapping[str, str] | None = None,
    ) -> None:
        self.directory = directory
        self.counter = directory / "counter"
        self.redis = new_server(directory / "redis")
        self.say: Callable[[Entry], None] = lambda _: None
        #: For `play`, which measures it once.
        self.held_when_new: list[Resources] = []
        self._settings = {**SETTINGS, COUNTER: str(self.counter), **(settings or {})}
        self._commands = {kind: procfile_line(kind) for kind in ("worker", "web")} | dict(commands or {})
        self._proxies = ProxyLoop()
        self._is_watching = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="process manager", daemon=True)
        self.workers = [self._member("worker", n) for n in range(workers)]
        self.webs = [self._member("web", n) for n in range(webs)]

    @property
    def members(self) -> list[Member]:
        return [*self.workers, *self.webs]

    @property
    def doors(self) -> list[Proxy]:
        return [web.door for web in self.webs if web.door is not None]

    @property
    def urls(self) -> list[str]:
        """Where people reach the web processes."""
        return [f"http://127.0.0.1:{door.port}" for door in self.doors]

    def start(self) -> None:
        self.redis.start()
        for member in self.members:
            self._start(member)
        self._is_watching.set()
        self._watcher.start()
        self.wait_until_ready()

    def wait_until_ready(self, deadline: float = READY_SECONDS) -> None:
        """Wait until every process takes work."""
        for member in self.members:
            wait_until(lambda member=member: member.is_ready, deadline, what=f"{member.name} is ready")  # type: ignore[misc]

    def stop(self) -> None:
        """End everything, whatever state it is in."""
        self._is_watching.clear()
        if self._watcher.is_alive():
            self._watcher.join()
        for member in self.members:
            if member.process is not None:
                member.process.send(signal.SIGCONT)
                member.process.kill()
                member.process.stop()
        self.redis.kill()
        for proxy in [*(member.link for member in self.members), *self.doors]:
            proxy.close()
        self._proxies.close()

    def send(self, member: Member, signum: signal.Signals) -> int:
        """Signal a process (SIGKILL: it and its children); answers its pid, 0 if there is none now."""
        with member.lock:
            process = member.process
            if process is None or not process.is_running:
                return 0
            if signum in (signal.SIGKILL, signal.SIGTERM):
                member.is_doomed = True
            if signum == signal.SIGKILL:
                process.kill()
            else:
                self._signal_group(process.pid, signum)
            return process.pid

    def connect(self) -> redis.Redis:
        """A client of Redis itself, without a proxy, that returns bytes."""
        return redis.Redis.from_url(self.redis.url, socket_timeout=5)

    @staticmethod
    def _signal_group(pid: int, signum: signal.Signals) -> None:
        # Heroku signals all processes of a dyno; a frozen machine freezes all of them.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signum)

    def _member(self, kind: str, number: int) -> Member:
        port = free_port()
        link = Proxy(self.redis.port, self._proxies)
        door = Proxy(port, self._proxies) if kind == "web" else None
        return Member(kind, number, link, port, door)

    def _start(self, member: Member) -> None:
        variables = {
            "REDIS_URL": f"redis://127.0.0.1:{member.link.port}/0",
            "DATA_DIR": str(self.directory / "data"),
            "SECRET_KEY": SECRET_KEY,
            "BIND_HOST": "127.0.0.1",
            "PORT": str(member.port),
            **self._settings,
        }
        with member.lock:
            if member.process is not None:
                # What is left of its group, such as a child that the dead one had.
                member.process.kill()
                member.process.stop()
                member.log_begins_at = member.process.output_file.stat().st_size
            member.process = Process(
                member.name, self._commands[member.kind], settings=variables, directory=self.directory
            )
            member.ended_at, member.is_doomed = 0.0, False

    def _watch(self) -> None:
        while self._is_watching.is_set():
            for member in self.members:
                self._look_after(member)
            time.sleep(_WATCH_SECONDS)

    def _look_after(self, member: Member) -> None:
        if member.is_running or member.is_retired:
            return
        if not member.ended_at:
            member.ended_at = time.monotonic()
            self._tell(member)
        elif time.monotonic() - member.ended_at >= RESTART_SECONDS:
            self._start(member)

    def _tell(self, member: Member) -> None:
        process = member.process
        if process is not None and process.exit_code is not None:
            # One that cannot even start, without Redis for instance, leaves it to its manager to try again.
            is_expected = member.is_doomed or not member.has_said_ready
            last_words = "" if is_expected else process.tail(5)
            self.say(
                ProcessEnded(name=member.name, exit_code=process.exit_code, expected=is_expected, last_words=last_words)
            )


@contextlib.contextmanager
def running_fleet(directory: Path, **options: object) -> Iterator[Fleet]:
    """A fleet that is ready; see `Fleet` for the options."""
    fleet = Fleet(directory, **options)  # type: ignore[arg-type]
    try:
        fleet.start()
        yield fleet
    finally:
        fleet.stop()
