"""Which version of outloud this is."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_PROJECT_FILE = Path(__file__).resolve().parents[2] / "pyproject.toml"


@cache
def read_version() -> str:
    """Give the version of the installed package, else that of the checkout: platforms often run one as it is."""
    try:
        return version("outloud")
    except PackageNotFoundError:
        return _of_checkout()


def _of_checkout() -> str:
    try:
        return str(tomllib.loads(_PROJECT_FILE.read_text())["project"]["version"])
    except (OSError, KeyError, tomllib.TOMLDecodeError):
        return "unknown"
