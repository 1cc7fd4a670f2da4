"""The files of platforms say the same as the Procfile, the settings' page and each other."""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from fnmatch import fnmatch
from typing import Any

import pytest
import yaml
from packaging.specifiers import SpecifierSet

from tests.support.environment import ROOT
from tests.support.system import procfile_line

#: gunicorn waits 25 s for requests, a worker DRAIN_SECONDS for steps, both some seconds more.
SHORTEST_GRACE_SECONDS = 30


def text(name: str) -> str:
    return (ROOT / name).read_text()


def compose() -> dict[str, Any]:
    return dict(yaml.safe_load(text("compose.yaml"))["services"])


def render() -> dict[str, dict[str, Any]]:
    """The services by type."""
    return {service["type"]: service for service in yaml.safe_load(text("render.yaml"))["services"]}


def fly() -> dict[str, Any]:
    return tomllib.loads(text("fly.toml"))


def heroku() -> dict[str, Any]:
    return dict(json.loads(text("app.json")))


def dockerfile(instruction: str) -> list[str]:
    """What follows an instruction, line by line; continued lines are one."""
    lines = text("Dockerfile").replace("\\\n", " ").splitlines()
    return [line.removeprefix(instruction).strip() for line in lines if line.startswith(f"{instruction} ")]


def copied() -> list[str]:
    """The files and folders of this project that go into the image."""
    words = [line.split() for line in dockerfile("COPY") if not line.startswith("--")]
    return [source for line in words for source in line[:-1]]


def documented() -> set[str]:
    return set(re.findall(r"^\| `([A-Z_]+)`", text("docs/settings.md"), re.MULTILINE))


@pytest.mark.parametrize("kind", ["web", "worker"])
def test_each_platform_starts_the_lines_of_the_procfile(kind: str) -> None:
    line = procfile_line(kind)

    assert render()[kind]["startCommand"] == line
    assert fly()["processes"][kind] == line
    assert compose()[kind]["command"] == line
    assert kind in heroku()["formation"]


def test_each_platform_has_a_release_phase_that_can_fail_the_deploy() -> None:
    line = procfile_line("release")

    assert render()["web"]["preDeployCommand"] == line
    assert fly()["deploy"]["release_command"] == line
    assert compose()["release"]["command"] == line
    assert compose()["release"]["restart"] == "no"
    for kind in ("web", "worker"):
        assert compose()[kind]["depends_on"]["release"] == {"condition": "service_completed_successfully"}


def test_a_stop_leaves_time_to_hand_runs_over() -> None:
    assert fly()["kill_signal"] == "SIGTERM"
    assert fly()["kill_timeout"] >= SHORTEST_GRACE_SECONDS
    for kind in ("web", "worker"):
        assert render()[kind]["maxShutdownDelaySeconds"] >= SHORTEST_GRACE_SECONDS
        assert int(compose()[kind]["stop_grace_period"].removesuffix("s")) >= SHORTEST_GRACE_SECONDS
    [seconds] = set(re.findall(r"^TimeoutStopSec=(\d+)$", text("docs/deploy.md"), re.MULTILINE))
    assert int(seconds) >= SHORTEST_GRACE_SECONDS


def test_the_redis_of_each_platform_throws_nothing_away() -> None:
    redis = compose()["redis"]

    assert render()["keyvalue"]["maxmemoryPolicy"] == "noeviction"
    assert "--maxmemory-policy noeviction" in redis["command"]
    assert "--appendonly yes" in redis["command"]
    assert redis["volumes"] == ["redis:/data"]


def test_a_secret_is_made_by_the_platform_or_asked_for() -> None:
    [group] = yaml.safe_load(text("render.yaml"))["envVarGroups"]

    assert heroku()["env"]["SECRET_KEY"]["generator"] == "secret"
    assert {"key": "SECRET_KEY", "generateValue": True} in group["envVars"]
    # Else anybody could read the figures.
    assert heroku()["env"]["METRICS_TOKEN"]["generator"] == "secret"
    assert {"key": "METRICS_TOKEN", "generateValue": True} in group["envVars"]
    assert compose()["web"]["environment"]["SECRET_KEY"].startswith("${SECRET_KEY:?")


def test_all_variables_are_settings_that_are_documented() -> None:
    [group] = yaml.safe_load(text("render.yaml"))["envVarGroups"]
    of_render = [entry["key"] for kind in ("web", "worker") for entry in render()[kind]["envVars"] if "key" in entry]
    names = {
        *heroku()["env"],
        *of_render,
        *(entry["key"] for entry in group["envVars"]),
        *fly()["env"],
        *(name for service in compose().values() for name in service.get("environment", {})),
    }

    assert {"SECRET_KEY", "REDIS_URL", "REDIS_TLS_VERIFY"} <= names
    assert names - documented() == set()


def test_every_process_of_compose_is_asked_where_it_answers() -> None:
    port = compose()["web"]["environment"]["PORT"]

    assert compose()["web"]["ports"] == [f"${{PUBLISH:-127.0.0.1:8000}}:{port}"]
    assert f"http://127.0.0.1:{port}/healthz" in compose()["web"]["healthcheck"]["test"][-1]
    assert str(fly()["http_service"]["internal_port"]) == fly()["env"]["PORT"]
    assert fly()["http_service"]["checks"][0]["path"] == render()["web"]["healthCheckPath"] == "/healthz"


def test_the_image_starts_the_web_process_without_a_shell_as_nobody_special() -> None:
    [command] = dockerfile("CMD")

    assert json.loads(command) == shlex.split(procfile_line("web"))
    assert dockerfile("ENTRYPOINT") == []
    assert dockerfile("STOPSIGNAL") == ["SIGTERM"]
    assert dockerfile("USER") == ["outloud"]
    # Dokku would publish that port instead of 80.
    assert dockerfile("EXPOSE") == []


def test_the_image_holds_what_the_processes_need_and_nothing_else() -> None:
    ignored = text(".dockerignore").splitlines()

    assert copied() == ["requirements.txt", "Procfile", "celeryconfig.py", "worker", "web"]
    assert [name for name in copied() if not (ROOT / name).exists()] == []
    assert ignored[1] == "*"
    assert {line[1:] for line in ignored if line.startswith("!")} == set(copied())
    assert not any(fnmatch(name, line) for name in copied() for line in ignored if line[0] not in "!#*")


def test_packages_are_installed_from_the_lock_with_their_hashes() -> None:
    assert "--require-hashes -r requirements.txt" in text("Dockerfile")
    for kind in ("web", "worker"):
        assert render()[kind]["buildCommand"] == "pip install --require-hashes -r requirements.txt"


def test_all_platforms_take_a_python_that_the_project_supports() -> None:
    version = text(".python-version").strip()
    with (ROOT / "pyproject.toml").open("rb") as file:
        supported = SpecifierSet(tomllib.load(file)["project"]["requires-python"])

    assert f"{version}.99" in supported
    assert {line.split()[0] for line in dockerfile("FROM")} == {f"python:{version}-slim"}


def test_the_units_of_the_documentation_start_the_lines_of_the_procfile() -> None:
    commands = re.findall(r"^ExecStart=/srv/outloud/\.venv/bin/(.*)$", text("docs/deploy.md"), re.MULTILINE)

    assert sorted(commands) == sorted([procfile_line("web"), procfile_line("worker"), procfile_line("release")])


def test_the_documentation_has_a_section_for_each_platform() -> None:
    headings = re.findall(r"^## (.*)$", text("docs/deploy.md"), re.MULTILINE)

    assert {"Heroku", "Render", "Railway", "Fly", "Dokku", "Docker Compose", "Own server"} <= set(headings)


def test_who_asks_is_found_behind_the_proxies_of_each_platform() -> None:
    [group] = yaml.safe_load(text("render.yaml"))["envVarGroups"]

    assert fly()["env"]["TRUSTED_PROXIES"] == "2"
    assert {"key": "TRUSTED_PROXIES", "value": "2"} in group["envVars"]
    assert "TRUSTED_PROXIES" not in heroku()["env"]
