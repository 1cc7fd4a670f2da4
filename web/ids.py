"""Names for things that are new: random, so that nobody can guess one."""

from __future__ import annotations

import secrets


def new_run_id() -> str:
    return f"run_{secrets.token_hex(16)}"


def new_thread_id() -> str:
    return f"thr_{secrets.token_hex(16)}"


def new_user_id() -> str:
    return f"usr_{secrets.token_hex(16)}"


def new_file_id() -> str:
    return f"file_{secrets.token_hex(8)}"
