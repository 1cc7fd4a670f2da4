"""A Redis server of the tests' own.

`TEST_REDIS_SERVER=/usr/bin/redis-server` runs the same tests on another server (Redis 6.2 and 7, Valkey).
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import redis

from worker.local.ports import free_port
from worker.local.redis_server import RedisServer, find_server

__all__ = ["RedisServer", "connect", "free_port", "new_server", "running_server"]


def new_server(directory: Path, *, port: int | None = None) -> RedisServer:
    """A server that is not started yet, on a free port; a fault test may stop, kill and start it again."""
    chosen = os.environ.get("TEST_REDIS_SERVER")
    binary = Path(chosen) if chosen else find_server()
    return RedisServer(binary, directory, port=port or free_port())


@contextlib.contextmanager
def running_server(directory: Path) -> Iterator[RedisServer]:
    """A started server, stopped at the end."""
    server = new_server(directory)
    server.start()
    try:
        yield server
    finally:
        server.stop()


@contextlib.contextmanager
def connect(url: str) -> Iterator[redis.Redis]:
    """A synchronous client that returns text."""
    client = redis.Redis.from_url(url, decode_responses=True)
    try:
        yield client
    finally:
        client.close()
