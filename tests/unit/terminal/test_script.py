"""`bin/outloud`, as it is found in a checkout."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.environment import ROOT, child_environment


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """The script of a checkout in which nothing has been set up yet."""
    folder = tmp_path / "a checkout"
    (folder / "bin").mkdir(parents=True)
    for name in ("web", "worker"):
        (folder / name).symlink_to(ROOT / name)
    script = folder / "bin" / "outloud"
    script.write_bytes((ROOT / "bin" / "outloud").read_bytes())
    return script


def call(script: Path, cwd: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = ["sh", str(script), *words]
    return subprocess.run(
        command, cwd=cwd, env=child_environment({}), capture_output=True, text=True, timeout=60, check=False
    )


def test_it_works_from_any_folder_and_through_a_link(script: Path, tmp_path: Path) -> None:
    (script.parents[1] / ".venv").symlink_to(Path(sys.prefix))
    link = tmp_path / "outloud"
    link.symlink_to(script)

    for path in (script, link):
        done = call(path, tmp_path, "--help")
        assert done.returncode == 0, done.stderr
        assert "usage: outloud" in done.stdout


def test_before_the_set_up_it_says_what_to_do(script: Path, tmp_path: Path) -> None:
    done = call(script, tmp_path, "agents")

    assert done.returncode == 2
    assert "run make setup first" in done.stderr
