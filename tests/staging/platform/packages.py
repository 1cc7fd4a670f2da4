"""Programs of the distribution that the platform is made of; brought if they are missing and we may."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from tests.staging.platform.errors import PartMissing

_INSTALL_SECONDS = 600
#: Debian keeps servers there, which are not on a person's PATH.
_SERVER_FOLDERS = ("/usr/sbin", "/usr/local/sbin", "/sbin")

Say = Callable[[str], object]


def find_program(name: str, *, package: str, say: Say) -> Path:
    """Return the program, from this machine or installed now.

    Raises:
        PartMissing: it is not there, and could not be installed.
    """
    if found := _which(name):
        return found
    _install(package, say)
    if found := _which(name):
        return found
    raise PartMissing(package, f"the staging check needs `{name}` (Debian: sudo apt-get install {package}).")


def version_of(program: Path, *arguments: str) -> str:
    """The first line of what the program says of itself."""
    done = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=30, check=False)
    return (done.stdout or done.stderr).partition("\n")[0].strip()


def _which(name: str) -> Path | None:
    folders = os.pathsep.join([os.environ.get("PATH", ""), *_SERVER_FOLDERS])
    found = shutil.which(name, path=folders)
    return Path(found) if found else None


def _install(package: str, say: Say) -> None:
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return
    say(f"installing {package}")
    environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (
        ["apt-get", "update", "-qq"],
        ["apt-get", "install", "-qq", "-y", "--no-install-recommends", package],
    ):
        # A list that cannot be refreshed may still be good enough; whether it helped is seen by looking again.
        subprocess.run(command, env=environ, capture_output=True, timeout=_INSTALL_SECONDS, check=False)
