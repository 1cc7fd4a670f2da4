"""The artefact's Python environment, made from its lock file and nothing else; kept by the lock's hash."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from tests.staging.platform.errors import PartMissing

_INSTALL_SECONDS = 900
#: Written last: an environment without it was not finished.
_MARK = "installed"
#: Of the locks that were used before; older ones are removed.
_KEPT = 2


def make_environment(lock: Path, store: Path, *, fresh: bool = False) -> Path:
    """Return the folder of programs of an environment that holds exactly what the lock says.

    Args:
        store: where environments are kept for the next session.
        fresh: make it anew even if there is one.

    Raises:
        PartMissing: it could not be made.
    """
    name = hashlib.sha256(lock.read_bytes() + sys.version.encode()).hexdigest()[:16]
    directory = store / f"environment-{name}"
    if fresh or not (directory / _MARK).exists():
        shutil.rmtree(directory, ignore_errors=True)
        _run([sys.executable, "-m", "venv", str(directory)])
        python = str(directory / "bin" / "python")
        # `--isolated` would hide the machine's own index of packages, too.
        options = ["--quiet", "--disable-pip-version-check", "--no-input", "--require-hashes"]
        _run([python, "-m", "pip", "install", *options, "-r", str(lock)])
    (directory / _MARK).touch()
    _forget_old(store)
    return directory / "bin"


def _forget_old(store: Path) -> None:
    found = sorted(store.glob("environment-*"), key=lambda path: path.stat().st_mtime, reverse=True)
    for directory in found[_KEPT:]:
        shutil.rmtree(directory, ignore_errors=True)


def _run(command: list[str]) -> None:
    try:
        subprocess.run(command, capture_output=True, text=True, timeout=_INSTALL_SECONDS, check=True)
    except subprocess.TimeoutExpired:
        raise PartMissing("environment", f"`{command[0]}` did not end within {_INSTALL_SECONDS} s.") from None
    except subprocess.CalledProcessError as error:
        words = f"{error.stdout}{error.stderr}".strip()
        raise PartMissing("environment", f"it could not be made from the lock file.\n{words}") from None
