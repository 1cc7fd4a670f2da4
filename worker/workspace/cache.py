"""One user's SQLite file: made from the stored files, thrown away at will.

Any number of OS threads and processes may use it. Writers exclude each other by a lock and change it in one
transaction: a reader sees all of a change or none of it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote as quote_url

from worker.contract.files import FileInfo, FileKind
from worker.workspace.errors import BadInput
from worker.workspace.identifiers import quote
from worker.workspace.importing import Placement, import_document, import_table, place
from worker.workspace.limits import WorkspaceLimits
from worker.workspace.locking import file_lock

logger = logging.getLogger(__name__)

#: Part of the file's name: a cache of another layout is never opened.
_LAYOUT = 1
_SCHEMA = (
    """CREATE TABLE _files (
        file_id TEXT PRIMARY KEY, name TEXT, kind TEXT, table_name TEXT,
        columns TEXT, row_count INTEGER, size INTEGER, problem TEXT, position INTEGER)""",
    """CREATE VIRTUAL TABLE _passages USING fts5(
        name, text, file_id UNINDEXED, tokenize = "unicode61 remove_diacritics 2")""",
)
_BROKEN = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CANTOPEN})

ReadFile = Callable[[FileInfo], str | None]


class CachedFile(NamedTuple):
    """A file as the cache knows it."""

    file_id: str
    name: str
    #: Its table; the empty text for a document.
    table: str
    #: JSON list of [name, type].
    columns: str
    rows: int
    size: int
    #: Why it cannot be used; the empty text when it can.
    problem: str


class Cache:
    """The cache of one user, as a file below `directory`."""

    def __init__(self, directory: Path, user_id: str, limits: WorkspaceLimits) -> None:
        # A hash, because a user id may come from a team's own sign-in and hold anything, `../` included.
        digest = hashlib.sha256(user_id.encode()).hexdigest()[:40]
        self._path = directory / f"{digest}.v{_LAYOUT}.sqlite"
        # Shared by a few users, so that the locks do not pile up as the caches come and go.
        self._lock = directory / f"{digest[:2]}.lock"
        self._limits = limits

    def sync(self, files: Callable[[], Sequence[FileInfo]], read: ReadFile) -> None:
        """Bring the cache to exactly these files. Blocks, at most `build_wait_seconds` for other writers."""
        if self._imported() == _identities(place(files())):
            return
        with file_lock(self._lock, wait_seconds=self._limits.build_wait_seconds):
            # Asked again: an older list would take away what another writer has just brought in.
            wanted = place(files())
            try:
                self._update(wanted, read)
            except sqlite3.DatabaseError as error:
                if not is_broken(error):
                    raise
                logger.warning("workspace cache was broken and is made anew", extra={"path": str(self._path)})
                _unlink(self._path)
                self._update(wanted, read)

    @contextlib.contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Open a connection that cannot write; for one use, closed afterwards."""
        address = f"file:{quote_url(str(self._path))}?mode=ro"
        # A query that was given up is interrupted by its own deadline, in the OS thread that runs it.
        connection = sqlite3.connect(address, uri=True, timeout=5, isolation_level=None)
        try:
            yield connection
        finally:
            connection.close()

    def discard(self) -> None:
        """Throw the cache away; whoever reads it now reads on undisturbed."""
        with file_lock(self._lock, wait_seconds=self._limits.build_wait_seconds):
            _unlink(self._path)

    def _imported(self) -> set[tuple[str, str]] | None:
        """What the cache holds; None when there is no usable cache."""
        if not self._path.exists():
            return None
        try:
            with self.reading() as connection:
                found = _present(connection)
        except sqlite3.DatabaseError:
            return None
        with contextlib.suppress(OSError):
            # The time of last use, for `prune`.
            os.utime(self._path)
        return found

    def _update(self, wanted: Sequence[Placement], read: ReadFile) -> None:
        with contextlib.closing(self._writer()) as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                _apply(connection, wanted, read, self._limits)
            except BaseException:
                # Some errors have rolled back already.
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")

    def _writer(self) -> sqlite3.Connection:
        if not self._path.exists():
            # A log left behind by a file that was deleted would be played into the new one.
            _unlink(self._path)
        connection = sqlite3.connect(self._path, timeout=self._limits.build_wait_seconds, isolation_level=None)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            if not connection.execute("SELECT 1 FROM sqlite_schema WHERE name = '_files'").fetchone():
                _create(connection)
        except BaseException:
            connection.close()
            raise
        return connection


def cached_files(connection: sqlite3.Connection, kind: FileKind) -> list[CachedFile]:
    """List the files of a kind, oldest first."""
    sql = """SELECT file_id, name, table_name, columns, row_count, size, problem
             FROM _files WHERE kind = ? ORDER BY position"""
    return [CachedFile(*row) for row in connection.execute(sql, (kind,))]


def is_broken(error: sqlite3.Error) -> bool:
    """Whether the cache file itself is damaged or gone, rather than the statement wrong."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _BROKEN


def prune(directory: Path, *, unused_since: float) -> int:
    """Delete the caches that nobody has used since this Unix time; returns how many."""
    pruned = 0
    for path in directory.glob("*.sqlite"):
        # Another worker of this machine may prune at the same time.
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_mtime < unused_since:
                _unlink(path)
                pruned += 1
    return pruned


def _unlink(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)


def _create(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN IMMEDIATE")
    for statement in _SCHEMA:
        connection.execute(statement)
    connection.execute("COMMIT")


def _apply(
    connection: sqlite3.Connection, wanted: Sequence[Placement], read: ReadFile, limits: WorkspaceLimits
) -> None:
    present = _present(connection)
    for file_id, table in present - _identities(wanted):
        _drop(connection, file_id, table)
    for position, placement in enumerate(wanted):
        if (placement.info.file_id, placement.table) in present:
            connection.execute("UPDATE _files SET position = ? WHERE file_id = ?", (position, placement.info.file_id))
        else:
            _import(connection, placement, read, position, limits)


def _import(
    connection: sqlite3.Connection, placement: Placement, read: ReadFile, position: int, limits: WorkspaceLimits
) -> None:
    info, table = placement
    columns: list[Any] = []
    rows, problem = 0, ""
    connection.execute("SAVEPOINT file")
    try:
        text = read(info)
        if text is None:
            connection.execute("RELEASE file")
            return
        if info.kind == "table":
            columns, rows = import_table(connection, table, text, limits)
        else:
            import_document(connection, info, text)
    except (BadInput, sqlite3.DataError, sqlite3.OperationalError) as error:
        # One file that cannot be used is named as such; the others stay usable.
        connection.execute("ROLLBACK TO file")
        problem = str(error)
    connection.execute("RELEASE file")
    connection.execute(
        "INSERT INTO _files VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (info.file_id, info.name, info.kind, table, json.dumps(columns), rows, info.size, problem, position),
    )


def _drop(connection: sqlite3.Connection, file_id: str, table: str) -> None:
    if table:
        connection.execute(f"DROP TABLE IF EXISTS {quote(table)}")
    else:
        connection.execute("DELETE FROM _passages WHERE file_id = ?", (file_id,))
    connection.execute("DELETE FROM _files WHERE file_id = ?", (file_id,))


def _present(connection: sqlite3.Connection) -> set[tuple[str, str]]:
    return set(connection.execute("SELECT file_id, table_name FROM _files"))


def _identities(placements: Sequence[Placement]) -> set[tuple[str, str]]:
    return {(placement.info.file_id, placement.table) for placement in placements}
