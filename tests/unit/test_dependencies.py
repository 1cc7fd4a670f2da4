"""Every package that the code imports is asked for by pyproject.toml: a fresh machine has nothing else."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.metadata import packages_distributions, requires
from pathlib import Path
from typing import Any

import pytest

from tests.support.environment import ROOT

OURS = {"celeryconfig", "tests", "web", "worker"}
TYPES_ONLY = {"_typeshed"}


@cache
def project() -> dict[str, Any]:
    with (ROOT / "pyproject.toml").open("rb") as file:
        return dict(tomllib.load(file)["project"])


def asked_for(*extras: str) -> set[str]:
    requirements = list(project()["dependencies"])
    for extra in extras:
        requirements += project()["optional-dependencies"][extra]
    requirements += [further for requirement in requirements for further in of_extras(requirement)]
    return {re.split(r"[\[<>=; ]", requirement)[0] for requirement in requirements}


def of_extras(requirement: str) -> list[str]:
    """What `package[extra]` asks for by its extra's name, beside the package: cryptography, in `pyjwt[crypto]`."""
    name, _, extras = requirement.partition("]")[0].partition("[")
    if name == project()["name"]:
        return []
    wanted = [f"extra == {quote}{extra}{quote}" for extra in filter(None, extras.split(",")) for quote in "'\""]
    return [line for line in (requires(name) or [] if wanted else []) if any(one in line for one in wanted)]


def imported(files: Iterator[Path]) -> set[str]:
    """The top-level modules, not the standard library's or ours, that the files import anywhere."""
    found = set()
    for file in files:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                found.add(node.module.split(".")[0])
    return found - sys.stdlib_module_names - OURS - TYPES_ONLY


def not_asked_for(modules: set[str], requirements: set[str]) -> set[str]:
    distributions = packages_distributions()
    return {
        module for module in modules if not requirements & {_normal(name) for name in distributions.get(module, [])}
    }


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.parametrize(
    ("folder", "extras"),
    [("web", ("terminal",)), ("worker", ("local",)), ("tests", ("local", "terminal", "dev"))],
)
def test_everything_imported_is_asked_for(folder: str, extras: tuple[str, ...]) -> None:
    modules = imported((ROOT / folder).rglob("*.py"))

    assert not_asked_for(modules, asked_for(*extras)) == set()


def test_only_what_runs_locally_imports_what_only_local_installs_have() -> None:
    platform = (file for file in (ROOT / "worker").rglob("*.py") if "local" not in file.parts)

    assert not_asked_for(imported(platform), asked_for()) == set()


def test_only_the_terminal_client_imports_what_only_it_needs() -> None:
    server = (file for file in (ROOT / "web").rglob("*.py") if "terminal" not in file.parts)

    assert not_asked_for(imported(server), asked_for()) == set()


def test_the_lock_files_hold_what_is_asked_for_in_the_same_versions() -> None:
    platform, local, everything = (locked(f"requirements{kind}.txt") for kind in ("", "-local", "-dev"))

    assert asked_for() <= {name for name, _ in platform}
    assert platform < local < everything


def locked(file: str) -> set[tuple[str, str]]:
    """Names and versions."""
    return set(re.findall(r"^([a-z0-9-]+)==(\S+)", (ROOT / file).read_text(), re.MULTILINE))
