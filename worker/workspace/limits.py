"""What a workspace may hold and what a query may cost."""

from __future__ import annotations

from dataclasses import dataclass

MEBIBYTE = 1024 * 1024
DAY_SECONDS = 24 * 60 * 60


@dataclass(frozen=True, kw_only=True)
class WorkspaceLimits:
    """Limits of one user's workspace. The same numbers hold for uploads."""

    #: How long the files are kept after the last change of any of them.
    retention_seconds: int = 30 * DAY_SECONDS
    #: Canonical text of one file. Redis holds it compressed, a worker decompresses it whole.
    max_file_bytes: int = 20 * MEBIBYTE
    #: All files of a user together.
    max_user_bytes: int = 100 * MEBIBYTE
    max_files: int = 200
    #: SQLite's own limit is 2,000.
    max_columns: int = 500
    max_sql_characters: int = 20_000
    #: Values of one result together; more than this helps neither a model nor a reader.
    max_result_bytes: int = 4 * MEBIBYTE
    #: How long to wait for another process that builds the same cache.
    build_wait_seconds: float = 60.0
