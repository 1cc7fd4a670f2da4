"""The artefact: a copy of the committed files, as a push brings them to a platform; nothing else is in it."""

from __future__ import annotations

import io
import shutil
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path

from tests.staging.platform.errors import PartMissing

_GIT_SECONDS = 60
#: What lies in a checkout and was made there. Everything whose name begins with a dot is.
_NOT_OURS = (".*", "__pycache__", "*.pyc", "test-artifacts", "build", "*.egg-info")


@dataclass(frozen=True)
class Artefact:
    """The copy."""

    directory: Path
    commit: str
    #: The commit's first line.
    subject: str
    #: Changes of the checkout that are not in it.
    left_out: int

    def command(self, kind: str) -> str:
        """The command of a process type, from the copy's own Procfile.

        Raises:
            PartMissing: it has no such line.
        """
        lines = (self.directory / "Procfile").read_text().splitlines()
        commands = {name.strip(): command.strip() for name, mark, command in (line.partition(":") for line in lines)}
        if not commands.get(kind):
            raise PartMissing(kind, f"the Procfile of the deployed files has no line `{kind}: …`.")
        return commands[kind]

    @property
    def lock(self) -> Path:
        return self.directory / "requirements.txt"


def deploy(checkout: Path, directory: Path) -> Artefact:
    """Copy the files of HEAD to `directory`, which must not be there yet.

    Raises:
        PartMissing: there is no git, or no repository.
    """
    commit = _git(checkout, "rev-parse", "--short", "HEAD")
    subject = _git(checkout, "log", "-1", "--format=%s")
    changed = len(_git(checkout, "status", "--porcelain").splitlines())
    directory.mkdir(parents=True)
    with tarfile.open(fileobj=io.BytesIO(_git_bytes(checkout, "archive", "--format=tar", "HEAD"))) as archive:
        # Debian's Python 3.11 has no filters yet.
        archive.extraction_filter = getattr(tarfile, "data_filter", None)
        archive.extractall(directory)
    return Artefact(directory, commit, subject, changed)


def deploy_work_tree(checkout: Path, directory: Path) -> Artefact:
    """Copy the files as they lie there, committed or not, for trying a change; needs no git."""
    shutil.copytree(checkout, directory, ignore=shutil.ignore_patterns(*_NOT_OURS))
    return Artefact(directory, "none", "the files as they lie here, committed or not", 0)


def _git(checkout: Path, *arguments: str) -> str:
    return _git_bytes(checkout, *arguments).decode(errors="replace").strip()


def _git_bytes(checkout: Path, *arguments: str) -> bytes:
    # In a container the files often belong to another user than the one who looks at them.
    command = ["git", "-c", f"safe.directory={checkout}", *arguments]
    try:
        done = subprocess.run(command, cwd=checkout, capture_output=True, timeout=_GIT_SECONDS, check=True)
    except FileNotFoundError:
        raise PartMissing(
            "git", "the committed files cannot be read without it (Debian: apt-get install git)."
        ) from None
    except subprocess.CalledProcessError as error:
        words = error.stderr.decode(errors="replace").strip()
        raise PartMissing("commit", f"`git {arguments[0]}` says: {words}") from None
    return done.stdout
