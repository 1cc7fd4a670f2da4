"""The clock of this process, as events carry it. Between processes the server's clock decides, in the scripts."""

from __future__ import annotations

import time


def now_ms() -> int:
    """Unix time in milliseconds."""
    return time.time_ns() // 1_000_000
