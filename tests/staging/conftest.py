"""Fixtures of the staging check; its tests run only where there is a deployment to check."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.staging.idle import IdleSocket
from tests.staging.platform.platform import Platform
from tests.staging.report.model import Report
from tests.staging.target import PLATFORM, REPORT, TARGET, Target
from tests.support.client import Client

#: Folders whose tests need a target; `make staging` gives one, the ordinary tests do not.
_NEED_A_TARGET = ("anywhere", "platform_only")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    is_ours = collection_path.parent == Path(__file__).parent and collection_path.name in _NEED_A_TARGET
    return True if is_ours and TARGET not in config.stash else None


@pytest.fixture(scope="session")
def target(request: pytest.FixtureRequest) -> Target:
    return request.config.stash[TARGET]


@pytest.fixture(scope="session")
def platform(request: pytest.FixtureRequest) -> Platform:
    return request.config.stash[PLATFORM]


@pytest.fixture(scope="session")
def report(request: pytest.FixtureRequest) -> Report:
    return request.config.stash[REPORT]


@pytest.fixture
def client(target: Target) -> Iterator[Client]:
    """Somebody who has never been here."""
    made = target.new_user()
    yield made
    made.close()


@pytest.fixture
def stranger(target: Target) -> Iterator[Client]:
    """Somebody else."""
    made = target.new_user()
    yield made
    made.close()


@pytest.fixture(scope="session", autouse=True)
def idle_socket(request: pytest.FixtureRequest) -> Iterator[IdleSocket | None]:
    """A socket on which nothing happens, open from the first test on; None where there is nothing to connect to."""
    if TARGET not in request.config.stash:
        yield None
        return
    with IdleSocket(request.config.stash[TARGET]) as socket:
        yield socket
