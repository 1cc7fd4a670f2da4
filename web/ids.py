"""Names for things that are new: random, so that nobody can guess one."""

from __future__ import annotations

import secrets
import time


def new_run_id() -> str:
    return f"run_{secrets.token_hex(16)}"


def new_thread_id() -> str:
    return f"thr_{secrets.token_hex(16)}"


def new_user_id() -> str:
    return f"usr_{secrets.token_hex(16)}"


def new_file_id() -> str:
    return f"file_{secrets.token_hex(8)}"


def now_ms() -> int:
    """The time as the contract writes it: Unix milliseconds."""
    return time.time_ns() // 1_000_000
