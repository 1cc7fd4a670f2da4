"""Every user's workspace: tables to query and documents to search, kept in Redis and served from a local cache."""

from __future__ import annotations

import csv
import io
import json
import secrets
import sqlite3
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import redis

from worker.agent.ports import QueryResult
from worker.contract.connections import DEFAULT, files_share
from worker.contract.files import FileInfo, FileKind, table_name
from worker.workspace import corpus
from worker.workspace.cache import Cache, CachedFile, cached_files, is_broken, prune
from worker.workspace.errors import BadInput, LimitReached, StoreUnavailable
from worker.workspace.identifiers import unique_names
from worker.workspace.limits import WorkspaceLimits
from worker.workspace.query import run_query
from worker.workspace.store import FileStore

T = TypeVar("T")

#: A name is shown in one line.
_MAX_NAME_CHARACTERS = 120
_REDIS_SECONDS = 5.0
#: Tools of many runs may want files at one time; a large one takes a moment.
_POOL_SECONDS = 30.0


class Workspaces:
    """Gives every user a workspace. Holds one Redis connection pool; safe for any number of OS threads.

    Args:
        data_dir: the caches go to its folder `workspaces`, made on first use; it may be deleted at any time.
        limits: the same numbers as for uploads.
        connections: how many to Redis it may hold.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        redis_url: str,
        limits: WorkspaceLimits | None = None,
        connections: int = files_share(DEFAULT),
    ) -> None:
        self._directory = data_dir / "workspaces"
        self._limits = limits or WorkspaceLimits()
        pool = redis.BlockingConnectionPool.from_url(
            redis_url,
            max_connections=connections,
            timeout=_POOL_SECONDS,
            socket_timeout=_REDIS_SECONDS,
            socket_connect_timeout=_REDIS_SECONDS,
        )
        self._client = redis.Redis.from_pool(pool)
        self.prune()

    def workspace(self, user_id: str) -> UserWorkspace:
        """Give the workspace of one user; cheap, touches nothing."""
        store = FileStore(self._client, user_id, self._limits)
        return UserWorkspace(store, Cache(self._directory, user_id, self._limits), self._limits)

    def prune(self) -> int:
        """Delete the caches of users who have not come for as long as files are kept; returns how many."""
        return prune(self._directory, unused_since=time.time() - self._limits.retention_seconds)

    def close(self) -> None:
        """Close the connections to Redis."""
        self._client.close()


class UserWorkspace:
    """A `worker.agent.ports.Workspace`. Every method blocks, sees the files of now, and may raise `WorkspaceError`."""

    def __init__(self, store: FileStore, cache: Cache, limits: WorkspaceLimits) -> None:
        self._store = store
        self._cache = cache
        self._limits = limits

    def tables(self) -> list[dict[str, Any]]:
        """Describe every table: `name`, `columns` (`name`, `type`), `rows`, `file`, and `problem` if it is unusable."""
        return [_described_table(entry) for entry in self._entries("table")]

    def query(self, sql: str, *, max_rows: int, seconds: float) -> QueryResult:
        """Run one reading statement.

        Raises:
            QueryRefused: It is wrong, does more than read, or gives too much.
            QueryTooSlow: It took longer than `seconds`.
        """
        return self._read(
            lambda connection: run_query(connection, sql, max_rows=max_rows, seconds=seconds, limits=self._limits)
        )

    def add_table(self, name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> dict[str, Any]:
        """Store a table in the place of one with the same name; returns its description.

        Raises:
            BadInput: There is no column, or a row does not fit them.
            LimitReached: It is too large.
        """
        self._check_shape(columns, rows)
        header = unique_names([str(column) for column in columns])
        text = _canonical_csv(header, rows)
        shown = _clean_name(name)
        file_name = shown if shown.lower().endswith(".csv") else f"{shown}.csv"
        info = _new_file(file_name, "table", text, table=table_name(file_name), columns=header, rows=len(rows))
        self._store.put(info, text)
        stored = next((entry for entry in self._entries("table") if entry.file_id == info.file_id), None)
        if stored is None:
            raise StoreUnavailable(f"The table {info.table} was replaced or removed meanwhile.")
        return _described_table(stored)

    def documents(self) -> list[dict[str, Any]]:
        """Describe every document: `id`, `name`, `size` in bytes."""
        return [{"id": entry.file_id, "name": entry.name, "size": entry.size} for entry in self._entries("document")]

    def add_document(self, name: str, text: str) -> dict[str, Any]:
        """Store a document in the place of one with the same name; returns its description.

        Raises:
            BadInput: It is empty.
            LimitReached: It is too large.
        """
        if not text.strip():
            raise BadInput("The document is empty.")
        info = _new_file(_clean_name(name), "document", text)
        self._store.put(info, text)
        return {"id": info.file_id, "name": info.name, "size": info.size}

    def remove_document(self, name: str) -> bool:
        """Remove a document; False when there is none of that name."""
        found = [info.file_id for info in self._store.files() if info.kind == "document" and info.name == name]
        self._store.remove(found)
        return bool(found)

    def search(self, query: str, *, limit: int) -> list[dict[str, Any]]:
        """Full-text search over the documents, best first: `name`, `snippet`, `score`.

        Raises:
            BadInput: The query has no word.
        """
        return self._read(lambda connection: corpus.search(connection, query, limit=limit))

    def _entries(self, kind: FileKind) -> list[CachedFile]:
        return self._read(lambda connection: cached_files(connection, kind))

    def _read(self, action: Callable[[sqlite3.Connection], T]) -> T:
        try:
            return self._read_once(action)
        except sqlite3.DatabaseError as error:
            if not is_broken(error):
                raise
            # Deleted or damaged between the look and the use; made anew once.
            self._cache.discard()
            return self._read_once(action)

    def _read_once(self, action: Callable[[sqlite3.Connection], T]) -> T:
        self._cache.sync(self._store.files, self._store.read)
        with self._cache.reading() as connection:
            return action(connection)

    def _check_shape(self, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        if not columns:
            raise BadInput("A table needs at least one column.")
        if len(columns) > self._limits.max_columns:
            raise LimitReached(f"The table has {len(columns):,} columns; the limit is {self._limits.max_columns}.")
        for number, row in enumerate(rows, start=1):
            if len(row) != len(columns):
                raise BadInput(f"Row {number} has {len(row)} values for {len(columns)} columns.")


def _described_table(entry: CachedFile) -> dict[str, Any]:
    described = {
        "name": entry.table,
        "columns": [{"name": name, "type": kind} for name, kind in json.loads(entry.columns)],
        "rows": entry.rows,
        "file": entry.name,
    }
    return {**described, "problem": entry.problem} if entry.problem else described


def _canonical_csv(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """UTF-8, comma, one header line; None is an empty cell."""
    target = io.StringIO(newline="")
    writer = csv.writer(target, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_cell(value) for value in row] for row in rows)
    return target.getvalue()


def _cell(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case _:
            return str(value)


def _new_file(
    name: str, kind: FileKind, text: str, *, table: str = "", columns: Sequence[str] = (), rows: int = 0
) -> FileInfo:
    return FileInfo(
        file_id=f"file_{secrets.token_hex(8)}",
        name=name,
        kind=kind,
        size=len(text.encode()),
        created_at=int(time.time() * 1000),
        table=table,
        columns=list(columns),
        rows=rows,
    )


def _clean_name(name: str) -> str:
    """A name without folders and control characters."""
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    shown = "".join(character for character in last if character.isprintable()).strip()[:_MAX_NAME_CHARACTERS]
    if not shown:
        raise BadInput("A name needs at least one letter.")
    return shown
