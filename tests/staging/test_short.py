"""The short form of `make staging`: the committed files run by their own Procfile, and whatever is taken away is named.

Without what has to be installed first: no router, no TLS, and the environment of the tests.
"""

from __future__ import annotations

import os
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from tests.staging.platform.artefact import Artefact, deploy_work_tree
from tests.staging.platform.errors import PartMissing
from tests.staging.platform.parts import REDIS, RELEASE, ROUTER, Plan
from tests.staging.platform.platform import Platform, Programs, running
from tests.staging.platform.redis_server import StagingRedis
from tests.staging.platform.roll_call import call_the_roll
from tests.staging.platform.router import Router
from tests.support.client import Client, assert_whole
from tests.support.environment import ROOT
from tests.support.redis import RedisServer, new_server
from tests.support.waiting import wait_until

PROCESSES = ["worker.1", "worker.2", "web.1", "web.2"]


class PlainRedis(StagingRedis):
    """The tests' own server."""

    def __init__(self, server: RedisServer) -> None:
        self._server = server
        self.process = None

    @property
    def url(self) -> str:
        return self._server.url

    def start(self) -> None:
        self._server.start()

    def stop(self) -> None:
        self._server.stop()

    def connect(self) -> redis.Redis:
        return redis.Redis.from_url(self.url, decode_responses=True)


class NoRouter(Router):
    """The first web process's own door."""

    def __init__(self, slots: tuple[int, ...]) -> None:
        self._slots = slots
        self.process = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._slots[0]}"

    def start(self) -> None:
        """There is nothing to start."""

    def stop(self) -> None:
        """… and nothing to stop."""

    def answers_by_slot(self, path: str = "") -> Counter[int]:
        return Counter()


class BarePlatform(Platform):
    """One that needs nothing of the distribution's."""

    def _make_redis(self, program: Path) -> StagingRedis:
        return PlainRedis(new_server(self.directory / "redis"))

    def _make_router(self, program: Path, slots: tuple[int, ...]) -> Router:
        return NoRouter(slots)


def say(words: str) -> None:
    """Nobody listens."""


def make_platform(artefact: Artefact, directory: Path, plan: Plan) -> Platform:
    nothing = Path(os.devnull)
    return BarePlatform(artefact, Programs(nothing, nothing, Path(sys.executable).parent), directory, plan)


@pytest.fixture(scope="module")
def artefact(tmp_path_factory: pytest.TempPathFactory) -> Artefact:
    """The files as they lie here, so that a change is tested before it is committed."""
    return deploy_work_tree(ROOT, tmp_path_factory.mktemp("artefact") / "app")


@pytest.fixture(scope="module")
def platform(artefact: Artefact, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """Up, with one process of each kind more than a message needs."""
    with running(make_platform(artefact, tmp_path_factory.mktemp("platform"), Plan()), say=say) as started:
        yield started


def test_a_message_is_answered_by_the_copy_and_not_by_the_checkout(platform: Platform) -> None:
    client = Client(platform.url)
    events = client.follow(client.post_run("2 0.05", agent="walker")["run_id"])
    client.close()

    assert_whole(events)
    assert events[-1]["type"] == "agent_completed"
    for member in platform.formation.members:
        assert Path(f"/proc/{member.process.pid}/cwd").readlink() == platform.artefact.directory


def test_a_process_has_the_variables_of_a_platform_and_none_of_the_developers(platform: Platform) -> None:
    found = Path(f"/proc/{platform.formation.member('web.1').process.pid}/environ").read_text().split("\0")

    names = {entry.partition("=")[0] for entry in found if entry}
    assert {"PORT", "REDIS_URL", "SECRET_KEY"} <= names
    assert not names & {"VIRTUAL_ENV", "PYTHONPATH", "PYTEST_CURRENT_TEST", "OPENAI_API_KEY"}


@pytest.mark.parametrize("name", [REDIS, RELEASE])
def test_nothing_comes_up_without_redis_or_release_and_it_is_named(
    artefact: Artefact, tmp_path: Path, name: str
) -> None:
    platform = make_platform(artefact, tmp_path / "platform", Plan(without=name))

    with pytest.raises(PartMissing, match=f"^{name} is missing: ") as missing, running(platform, say=say):
        pass

    assert missing.value.part == name
    assert platform.formation.members == []


@pytest.mark.parametrize("name", [*PROCESSES, ROUTER])
def test_the_roll_call_names_what_was_not_started(
    platform: Platform, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    others = [member for member in platform.formation.members if member.name != name]
    monkeypatch.setattr(platform.formation, "members", others)

    with pytest.raises(PartMissing, match=f"^{name} is missing: ") as missing:
        call_the_roll(platform)

    assert missing.value.part == name


@pytest.mark.parametrize("name", PROCESSES)
def test_a_process_that_ends_by_itself_is_named(platform: Platform, name: str) -> None:
    os.killpg(platform.formation.member(name).process.pid, signal.SIGKILL)

    wait_until(lambda: name in [end.name for end in platform.watch.ends], what="the end was seen")

    (end,) = [end for end in platform.watch.ends if end.name == name]
    assert end.words.startswith(f"{name} is missing: it ended by itself with exit code -9.\n")


def test_a_procfile_without_a_line_for_a_kind_is_said_to_be_so(artefact: Artefact, tmp_path: Path) -> None:
    (tmp_path / "Procfile").write_text("web: gunicorn\n")

    with pytest.raises(PartMissing, match=r"^worker is missing: the Procfile of the deployed files has no line"):
        Artefact(tmp_path, artefact.commit, "", 0).command("worker")
