from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.environment import ROOT
from worker.contract.environment import SettingsError
from worker.local.settings import LocalSettings, with_dotenv
from worker.local.system import LocalSystem, StopRequest


def test_without_any_variable_the_page_is_for_this_machine_alone() -> None:
    settings = LocalSettings.from_env({})

    assert (settings.bind_host, settings.port) == ("127.0.0.1", 8000)
    assert settings.redis_url == ""
    assert settings.data_dir == Path(".data").absolute()


def test_all_wrong_variables_are_named_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        LocalSettings.from_env({"PORT": "http", "REDIS_URL": "localhost"})

    assert "PORT" in str(caught.value)
    assert "REDIS_URL" in str(caught.value)


def test_a_dotenv_file_fills_in_what_is_not_set_outside(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("# the team's settings\nPORT=9000\nMODEL='a name'\n\nREDIS_URL=redis://10.0.0.1:6379/0\n")

    environ = with_dotenv({"PORT": "8500"}, file)

    assert environ == {"PORT": "8500", "MODEL": "a name", "REDIS_URL": "redis://10.0.0.1:6379/0"}


def test_no_dotenv_file_is_fine(tmp_path: Path) -> None:
    assert with_dotenv({"A": "1"}, tmp_path / ".env") == {"A": "1"}


@pytest.mark.parametrize(("given", "expected"), [(None, "0"), ("", "0"), ("1", "1")])
def test_without_a_proxy_in_front_nobody_else_says_who_asks(given: str | None, expected: str, tmp_path: Path) -> None:
    environ = {"DATA_DIR": str(tmp_path)} | ({} if given is None else {"TRUSTED_PROXIES": given})
    system = LocalSystem(LocalSettings.from_env(environ), environ, ROOT, StopRequest())

    assert system._child_environment("redis://localhost")["TRUSTED_PROXIES"] == expected
