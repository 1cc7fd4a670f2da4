"""A start that cannot go well ends with one clear message and exit code 1, in every line of the Procfile."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import redis

from tests.support.processes import Process
from tests.support.proxy import running_proxy
from tests.support.redis import RedisServer, free_port, new_server, running_server
from tests.support.system import SECRET_KEY, procfile_line
from tests.support.tls import Authority, tls_in_front
from tests.support.waiting import wait_until
from worker.contract import keys
from worker.local.ports import answers_ok

ALL = ("release", "web", "worker")
PASSWORD = "hush-hush-word"
ENDED_SECONDS = 30.0


class Guarded(NamedTuple):
    """A server with a password."""

    server: RedisServer
    admin: redis.Redis

    def url(self, password: str = PASSWORD) -> str:
        return self.server.url.replace("redis://", f"redis://:{password}@" if password else "redis://")


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    with running_server(tmp_path_factory.mktemp("guarded")) as server:
        with redis.Redis.from_url(server.url) as open_server:
            open_server.config_set("requirepass", PASSWORD)
        with redis.Redis.from_url(Guarded(server, open_server).url(), single_connection_client=True) as admin:
            yield Guarded(server, admin)


@contextlib.contextmanager
def configured(guarded: Guarded, name: str, value: str | int) -> Iterator[None]:
    found: Any = guarded.admin.config_get(name)
    guarded.admin.config_set(name, value)
    try:
        yield
    finally:
        guarded.admin.config_set(name, found[name])


def start(kind: str, directory: Path, settings: dict[str, str]) -> Process:
    variables = {
        "SECRET_KEY": SECRET_KEY,
        "DATA_DIR": str(directory / "data"),
        "BIND_HOST": "127.0.0.1",
        "PORT": str(free_port()),
        "REDIS_WAIT_SECONDS": "0",
        **settings,
    }
    return Process(kind, procfile_line(kind), settings=variables, directory=directory)


def assert_refused(directory: Path, words: str, settings: dict[str, str], kinds: Sequence[str] = ALL) -> None:
    """All of these end with exit code 1, and say so once."""
    processes = [start(kind, directory, settings) for kind in kinds]
    try:
        for process in processes:
            code, said = process.wait(ENDED_SECONDS), process.output
            assert code == 1, (process.name, said)
            assert said.count(words) == 1, (process.name, said)
            assert "Traceback" not in said, (process.name, said)
            assert PASSWORD not in said, process.name
            assert "redis://:" not in said.replace("redis://:password@host", ""), (process.name, said)
    finally:
        for process in processes:
            process.stop()


def test_a_certificate_that_nobody_vouches_for(guarded: Guarded, tmp_path: Path) -> None:
    with tls_in_front(guarded.server.port, Authority(tmp_path).self_signed()) as port:
        settings = {"REDIS_URL": f"rediss://:{PASSWORD}@127.0.0.1:{port}/0"}
        assert_refused(tmp_path, f"127.0.0.1:{port} shows a certificate that nobody known here vouches for", settings)


def test_a_certificate_for_another_name(guarded: Guarded, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    with tls_in_front(guarded.server.port, authority.context("elsewhere.example")) as port:
        url = f"rediss://:{PASSWORD}@127.0.0.1:{port}/0"
        settings = {"REDIS_URL": url, "REDIS_CA_FILE": str(authority.ca_file)}
        assert_refused(tmp_path, "shows a certificate that is made out to another name", settings, ["worker"])


def test_a_port_for_tls_in_an_address_without(guarded: Guarded, tmp_path: Path) -> None:
    with tls_in_front(guarded.server.port, Authority(tmp_path).self_signed()) as port:
        settings = {"REDIS_URL": f"redis://:{PASSWORD}@127.0.0.1:{port}/0"}
        assert_refused(tmp_path, f"Redis at 127.0.0.1:{port} ", settings, ["web"])


def test_a_wrong_password(guarded: Guarded, tmp_path: Path) -> None:
    settings = {"REDIS_URL": guarded.url(PASSWORD[::-1])}
    assert_refused(tmp_path, "refuses the user name or the password of REDIS_URL", settings)


def test_no_password(guarded: Guarded, tmp_path: Path) -> None:
    assert_refused(tmp_path, "wants a password, and REDIS_URL has none", {"REDIS_URL": guarded.url("")})


def test_a_server_that_may_throw_keys_away(guarded: Guarded, tmp_path: Path) -> None:
    with configured(guarded, "maxmemory-policy", "allkeys-lru"):
        assert_refused(tmp_path, "maxmemory-policy is allkeys-lru", {"REDIS_URL": guarded.url()})


def test_a_server_without_a_free_connection(guarded: Guarded, tmp_path: Path) -> None:
    with configured(guarded, "maxclients", 1):
        assert_refused(tmp_path, "has no connection left", {"REDIS_URL": guarded.url()})


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    port = free_port()
    settings = {"REDIS_URL": f"redis://:{PASSWORD}@127.0.0.1:{port}/0"}
    assert_refused(tmp_path, f"Redis at 127.0.0.1:{port} refuses the connection", settings)


def test_a_name_that_nobody_knows(tmp_path: Path) -> None:
    settings = {"REDIS_URL": f"redis://:{PASSWORD}@nowhere.invalid/0"}
    assert_refused(tmp_path, "Redis at nowhere.invalid:6379 cannot be found", settings, ["web"])


@pytest.mark.parametrize(
    ("variable", "value", "kinds"),
    [
        ("REDIS_URL", "", ("web", "worker")),
        ("SECRET_KEY", "", ("release", "web")),
        ("WEB_ORIGINS", "*", ("release", "web")),
        ("WEB_CONCURRENCY", "two", ("web",)),
        ("AGENT_CONCURRENCY", "many", ("worker",)),
    ],
)
def test_a_wrong_setting(guarded: Guarded, tmp_path: Path, variable: str, value: str, kinds: Sequence[str]) -> None:
    settings = {"REDIS_URL": guarded.url(), variable: value}
    assert_refused(tmp_path, f"{variable} {'has' if value == '*' else 'is'} ", settings, kinds)


def test_the_release_names_all_that_is_wrong_on_both_sides(guarded: Guarded, tmp_path: Path) -> None:
    settings = {
        "REDIS_URL": guarded.url(),
        "SECRET_KEY": "",
        "PORT": "a harbour",
        "AGENT_CONCURRENCY": "many",
        "AGENTS": "no.such.module",
        "BROKER_URL": f"amqp://u:{PASSWORD}@127.0.0.1:{free_port()}//",
    }
    with configured(guarded, "maxmemory-policy", "allkeys-lru"):
        release = start("release", tmp_path, settings)
        assert release.wait(ENDED_SECONDS) == 1
        release.stop()

    wrong = "\n".join(line for line in release.output.splitlines() if line.startswith("wrong "))
    for words in ("SECRET_KEY", "PORT", "AGENT_CONCURRENCY", "no.such.module", "allkeys-lru", "BROKER_URL"):
        assert wrong.count(words) == 1, release.output
    assert PASSWORD not in release.output


def test_the_release_looks_at_everything_and_is_content(guarded: Guarded, tmp_path: Path) -> None:
    release = start("release", tmp_path, {"REDIS_URL": guarded.url()})

    assert release.wait(ENDED_SECONDS) == 0, release.output
    release.stop()
    for words in (
        "settings of web and worker",
        "Redis ",
        "persistence",
        "connections",
        "scripts",
        "8/8 agents",
        "broker",
    ):
        assert f"ok     {words}" in release.output
    assert guarded.admin.dbsize() == 0


@pytest.fixture
def late_server(tmp_path: Path) -> Iterator[RedisServer]:
    server = new_server(tmp_path / "late")
    yield server
    server.stop()


def test_a_server_that_comes_late_is_waited_for(late_server: RedisServer, tmp_path: Path) -> None:
    port = free_port()
    settings = {"REDIS_URL": late_server.url, "REDIS_WAIT_SECONDS": "60", "PORT": str(port)}
    processes = [start(kind, tmp_path, settings) for kind in ("worker", "web")]
    try:
        for process in processes:
            wait_until(lambda p=process: "Waiting for it." in p.output, 30, what=f"{process.name} waits")  # type: ignore[misc]
        late_server.start()
        wait_until(lambda: answers_ok(f"http://127.0.0.1:{port}/readyz"), 30, what="the system is ready")
        assert all(process.output.count("Waiting for it.") == 1 for process in processes)
    finally:
        for process in processes:
            process.stop()


def test_a_server_that_goes_away_in_the_middle_of_a_start_is_waited_for(guarded: Guarded, tmp_path: Path) -> None:
    with running_proxy(guarded.server.port) as proxy:
        # The first write of a worker is taken, its answer is lost, and the connection is cut.
        proxy.swallow_reply_to(keys.CATALOGUE.encode())
        url = f"redis://:{PASSWORD}@127.0.0.1:{proxy.port}/0"
        worker = start("worker", tmp_path, {"REDIS_URL": url, "REDIS_WAIT_SECONDS": "20"})
        try:
            wait_until(lambda: "worker ready" in worker.output or not worker.is_running, 30, what="the worker is ready")
            assert worker.is_running, worker.output
            assert proxy.swallowed == 1
        finally:
            worker.stop()
            guarded.admin.flushdb()
