"""The application's processes: the release phase, `web` and `worker` in numbered places, deploys and scaling."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.staging.platform.artefact import Artefact
from tests.staging.platform.errors import PartMissing
from tests.staging.platform.parts import RELEASE, Kind, Plan
from tests.staging.platform.process import GRACE_SECONDS, PlatformProcess
from tests.support.waiting import POLL_SECONDS, scaled
from worker.local.ports import answers_ok

_RELEASE_SECONDS = 60.0
READY_SECONDS = 60.0

Say = Callable[[str], object]


@dataclass
class Member:
    """A process of the formation."""

    kind: Kind
    #: `web.1`, the same after a deploy.
    name: str
    process: PlatformProcess
    #: 0 for a worker.
    port: int = 0
    #: Its place behind the router, counted from 1; 0 for a worker.
    slot: int = 0


class Formation:
    """Starts, replaces and ends the processes of an artefact.

    Args:
        programs: the folder of the artefact's environment with its programs.
        variables: the settings that every process gets.
        slots: ports that the router looks at.
        logs: where the output of each process goes.
    """

    def __init__(
        self, artefact: Artefact, programs: Path, *, variables: Mapping[str, str], slots: tuple[int, ...], logs: Path
    ) -> None:
        self._artefact = artefact
        self._variables = {
            "PATH": f"{programs}:/usr/local/bin:/usr/bin:/bin",
            "HOME": str(artefact.directory),
            "LANG": "C.UTF-8",
            "PYTHONUNBUFFERED": "1",
            "BIND_HOST": "127.0.0.1",
            **variables,
        }
        self._slots = slots
        self._logs = logs
        self.members: list[Member] = []
        #: Which deploy this is, counted from 1.
        self.version = 1
        #: Names of those that had not ended within the grace time.
        self.killed: list[str] = []

    def release(self) -> None:
        """Run the release phase to its end.

        Raises:
            PartMissing: there is none, or it fails: then the platform keeps what runs.
        """
        code, words = self.try_release({})
        (self._logs / f"{RELEASE}.v{self.version}.log").write_text(words)
        if code:
            raise PartMissing(RELEASE, f"it ended with exit code {code}.\n{words[-2000:]}")

    def try_release(self, variables: Mapping[str, str]) -> tuple[int, str]:
        """Run the release phase with other settings; answers its exit code and what it said."""
        try:
            done = subprocess.run(
                ["/bin/sh", "-c", f"exec {self._artefact.command(RELEASE)}"],
                cwd=self._artefact.directory,
                env={**self._variables, **variables},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=_RELEASE_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise PartMissing(RELEASE, f"it did not end within {_RELEASE_SECONDS:g} s.") from None
        return done.returncode, done.stdout

    def of(self, kind: Kind) -> list[Member]:
        return [member for member in self.members if member.kind == kind]

    def member(self, name: str) -> Member:
        """The process of that name.

        Raises:
            PartMissing: there is none.
        """
        for member in self.members:
            if member.name == name:
                return member
        raise PartMissing(name, "it was not started.")

    def start(self, plan: Plan) -> None:
        """Start everything of the plan that runs, and wait until it is ready."""
        started = [self._start(kind, name) for kind, name in _names(plan) if name != plan.without]
        self.wait_until_ready(started)

    def deploy(self, plan: Plan) -> None:
        """Replace every process: new ones come up and are ready, then the old ones are told to end, all at once."""
        old = list(self.members)
        self.version += 1
        self.release()
        new = [self._start(kind, name) for kind, name in _names(plan)]
        self.wait_until_ready(new)
        self.end(old)

    def scale(self, kind: Kind, count: int) -> None:
        """Have so many of a kind: start what is missing, end what is too much."""
        now = self.of(kind)
        self.end(now[count:])
        started = [self._start(kind, f"{kind}.{n}") for n in range(len(now) + 1, count + 1)]
        self.wait_until_ready(started)

    def end(self, members: list[Member]) -> None:
        """SIGTERM to every process of these at once, SIGKILL after the grace time."""
        until = time.monotonic() + GRACE_SECONDS
        for member in members:
            member.process.terminate()
        self.killed += [
            member.name for member in members if not member.process.wait(max(0.0, until - time.monotonic()))
        ]
        self.members = [member for member in self.members if member not in members]

    def wait_until_ready(self, members: list[Member]) -> None:
        """Block until they take work.

        Raises:
            PartMissing: one has ended, or is not ready in time.
        """
        for member in members:
            if member.kind == "worker":
                member.process.wait_for('"worker ready"', READY_SECONDS)
        for member in members:
            if member.kind == "web":
                self._wait_until_it_serves(member)

    def _wait_until_it_serves(self, member: Member) -> None:
        end = time.monotonic() + scaled(READY_SECONDS)
        while not answers_ok(f"http://127.0.0.1:{member.port}/readyz"):
            process = member.process
            if not process.is_running:
                words = f"it ended at its start with exit code {process.exit_code}.\n{process.tail()}"
                raise PartMissing(member.name, words)
            if time.monotonic() > end:
                raise PartMissing(member.name, f"/readyz did not answer 200 in time.\n{process.tail()}")
            time.sleep(POLL_SECONDS)

    def _start(self, kind: Kind, name: str) -> Member:
        variables = dict(self._variables)
        slot = port = 0
        if kind == "web":
            slot = self._free_slot()
            port = self._slots[slot - 1]
            variables["PORT"] = str(port)
        process = PlatformProcess(
            name,
            self._artefact.command(kind),
            variables=variables,
            directory=self._artefact.directory,
            log=self._logs / f"{name}.v{self.version}.log",
        )
        member = Member(kind, name, process, port, slot)
        self.members.append(member)
        return member

    def _free_slot(self) -> int:
        taken = {member.slot for member in self.members}
        return next(n for n in range(1, len(self._slots) + 1) if n not in taken)


def _names(plan: Plan) -> list[tuple[Kind, str]]:
    kinds: tuple[Kind, ...] = ("worker", "web")
    return [(kind, f"{kind}.{n}") for kind in kinds for n in range(1, plan.count(kind) + 1)]
