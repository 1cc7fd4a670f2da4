"""Fixtures of the integration tests: the web application in this process, on a real Redis."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import redis
from flask import Flask
from flask.testing import FlaskClient

from tests.support.web import CATALOGUE, WebApps
from web.stores.client import connect
from worker.contract import codec, keys

AppFactory = Callable[..., Flask]


@pytest.fixture
def bytes_client(redis_url: str) -> Iterator[redis.Redis]:
    """A client of the test's Redis as the product has it: bytes in and out, nothing tried twice."""
    made = connect(redis_url)
    yield made
    made.close()
    made.connection_pool.disconnect()


@pytest.fixture
def start_app(redis_url: str) -> Iterator[AppFactory]:
    """Make a web application on the test's Redis, with settings: `start_app(MAX_RUNS_PER_USER="1")`."""
    with WebApps(redis_url) as apps:
        yield apps.start


@pytest.fixture
def app(start_app: AppFactory) -> Flask:
    """The web application with its default settings, and what a worker has published."""
    app = start_app()
    publish_catalogue(app)
    return app


@pytest.fixture
def browser(app: Flask) -> FlaskClient:
    """One person's browser: it keeps its cookies."""
    return app.test_client()


@pytest.fixture
def stranger(app: Flask) -> FlaskClient:
    """Another person's browser."""
    return app.test_client()


def publish_catalogue(app: Flask) -> None:
    app.extensions["outloud"].redis.set(keys.CATALOGUE, codec.encode(CATALOGUE))
