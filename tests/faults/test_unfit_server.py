"""A server that may throw keys away is refused at the start of both processes."""

from __future__ import annotations

from pathlib import Path

import pytest
import redis

from tests.support.environment import ROOT
from tests.support.processes import Process
from tests.support.redis import free_port, running_server
from tests.support.system import SECRET_KEY, procfile_line


@pytest.mark.parametrize("kind", ["worker", "web"])
def test_an_evicting_server_ends_the_start_with_one_clear_message(tmp_path: Path, kind: str) -> None:
    with running_server(tmp_path / "redis") as server:
        with redis.Redis.from_url(server.url) as admin:
            admin.config_set("maxmemory-policy", "allkeys-lru")
        settings = {
            "REDIS_URL": server.url,
            "SECRET_KEY": SECRET_KEY,
            "DATA_DIR": str(tmp_path / "data"),
            "BIND_HOST": "127.0.0.1",
            "PORT": str(free_port()),
        }
        process = Process(kind, procfile_line(kind), settings=settings, directory=tmp_path, cwd=ROOT)
        try:
            assert process.wait(30) != 0
            assert "maxmemory-policy is allkeys-lru" in process.output
            assert "Traceback" not in process.output
        finally:
            process.stop()
