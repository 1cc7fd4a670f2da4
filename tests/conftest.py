"""Fixtures for every test: a clean environment, a real Redis, and the system started from the Procfile."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest
import redis
from xdist.remote import Producer

from tests.support.environment import scrub
from tests.support.node import give_to_playwright
from tests.support.processes import started
from tests.support.redis import RedisServer, connect, running_server
from tests.support.scheduling import ByWeight
from tests.support.system import System, running_system

SystemFactory = Callable[..., System]

scrub(os.environ)
give_to_playwright()


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Async tests run on asyncio, as the product does."""
    return "asyncio"


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """One real server for this test process; tests that stop or break a server take one of their own."""
    with running_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    """The address of an empty database."""
    with connect(redis_server.url) as client:
        client.flushall()
    return redis_server.url


@pytest.fixture
def redis_client(redis_url: str) -> Iterator[redis.Redis]:
    """A synchronous client, returning text, of the empty database."""
    with connect(redis_url) as client:
        yield client


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """The system, shared by all tests of the session: ready, with no model key set; leave it as you found it."""
    with running_system(tmp_path_factory.mktemp("system")) as running:
        yield running


@pytest.fixture
def start_system(tmp_path: Path) -> Iterator[SystemFactory]:
    """Start a system of the test's own, with settings: `start_system(AGENTS="tests.support.agents")`."""
    with contextlib.ExitStack() as stack:

        def start(**settings: str) -> System:
            number = len(list(tmp_path.glob("system-*"))) + 1
            return stack.enter_context(running_system(tmp_path / f"system-{number}", settings))

        yield start


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByWeight:
    """Decide what runs side by side under `-n`."""
    return ByWeight(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show what the started processes printed when a test fails."""
    report = yield
    if report.failed:
        for process in started:
            report.sections.append((f"output of {process.name} (pid {process.pid})", process.tail()))
    return report
