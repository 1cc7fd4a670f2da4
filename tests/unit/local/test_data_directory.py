from __future__ import annotations

import socket
from pathlib import Path

import pytest

from worker.local.data_directory import DataDirectory


@pytest.fixture
def data(tmp_path: Path) -> DataDirectory:
    directory = DataDirectory(tmp_path / "data")
    directory.prepare()
    return directory


def test_the_secret_is_made_once_and_kept(data: DataDirectory) -> None:
    secret = data.secret_key()

    assert len(secret) >= 32
    assert DataDirectory(data.path).secret_key() == secret


def test_the_operators_password_is_another_one_and_kept_as_well(data: DataDirectory) -> None:
    password = data.ops_password()

    assert len(password) >= 16
    assert password != data.secret_key()
    assert DataDirectory(data.path).ops_password() == password


def test_only_the_owner_can_read_the_secret(data: DataDirectory) -> None:
    data.secret_key()
    data.ops_password()

    assert (data.path / "secret_key").stat().st_mode & 0o777 == 0o600
    assert (data.path / "ops_password").stat().st_mode & 0o777 == 0o600
    assert data.path.stat().st_mode & 0o777 == 0o700


def test_a_secret_file_that_was_cut_off_is_made_anew(data: DataDirectory) -> None:
    (data.path / "secret_key").touch()

    assert len(data.secret_key()) >= 32


def test_redis_keeps_its_port_between_runs(data: DataDirectory) -> None:
    assert data.redis_port() == data.redis_port()


def test_redis_gets_another_port_if_its_own_is_taken_by_now(data: DataDirectory) -> None:
    first = data.redis_port()

    with socket.socket() as other:
        other.bind(("127.0.0.1", first))
        other.listen()
        second = data.redis_port()

    assert second != first
    assert data.redis_port() == second


def test_a_port_file_with_nonsense_in_it_is_replaced(data: DataDirectory) -> None:
    (data.redis / "port").write_text("nonsense")

    assert data.redis_port() > 0
