"""A user's files in Redis: what is listed and the bytes behind it, always changed together."""

from __future__ import annotations

from typing import Any, cast

import msgspec
from redis import Redis
from redis.client import Pipeline

from web.errors import NotFound, TooLarge
from web.ids import new_file_id
from web.uploads.upload import NewFile
from worker.contract import codec, keys
from worker.contract.clock import now_ms
from worker.contract.files import FileInfo, table_name

#: Files of one user: a list that a page can show, and a hash that Redis reads in one go.
MAX_FILES = 200

_decoder = msgspec.json.Decoder(FileInfo)


class FileStore:
    """Every method blocks for a few round trips.

    All of a user's files age together, from the last change of any of them: a list never names bytes that are gone.
    """

    def __init__(self, client: Redis, *, life_ms: int, max_bytes: int) -> None:
        self._client = client
        self._life_ms = life_ms
        self._max_bytes = max_bytes

    def of(self, user_id: str) -> list[FileInfo]:
        """List a user's files, newest first."""
        found: Any = self._client.hgetall(keys.user_files(user_id))
        return sorted(_decode(found), key=lambda info: info.created_at, reverse=True)

    def save(self, user_id: str, new: NewFile) -> FileInfo:
        """Store a file, in the place of an older one with the same name.

        Raises:
            TooLarge: The user's files would be too many or too large together.
        """
        listing = keys.user_files(user_id)

        def change(pipe: Pipeline) -> FileInfo:
            files = _decode(cast("dict[bytes, bytes]", pipe.hgetall(listing)))
            kept = [info for info in files if info.name != new.name]
            replaced = [info for info in files if info.name == new.name]
            self._check_limits(kept, new)
            info = _describe(new, kept)
            pipe.multi()
            self._remove(pipe, user_id, replaced)
            pipe.hset(listing, info.file_id, codec.encode(info))
            pipe.set(keys.user_file(user_id, info.file_id), new.packed)
            self._renew(pipe, user_id, [*kept, info])
            return info

        # Watched, so that two uploads at once do not take one table name or one name twice.
        saved: Any = self._client.transaction(cast(Any, change), listing, value_from_callable=True)
        return cast(FileInfo, saved)

    def delete(self, user_id: str, file_id: str) -> None:
        """Remove a file.

        Raises:
            NotFound: The user has no such file.
        """
        listing = keys.user_files(user_id)

        def change(pipe: Pipeline) -> None:
            files = _decode(cast("dict[bytes, bytes]", pipe.hgetall(listing)))
            removed = [info for info in files if info.file_id == file_id]
            if not removed:
                raise NotFound("There is no such file.")
            pipe.multi()
            self._remove(pipe, user_id, removed)
            self._renew(pipe, user_id, [info for info in files if info.file_id != file_id])

        self._client.transaction(change, listing)

    def _check_limits(self, kept: list[FileInfo], new: NewFile) -> None:
        total = sum(info.size for info in kept) + new.size
        if total > self._max_bytes or len(kept) >= MAX_FILES:
            limit_mb = self._max_bytes / (1024 * 1024)
            raise TooLarge(
                f"There is no room for this file: at most {MAX_FILES} files, {limit_mb:g} MB together.",
                code="storage_full",
                detail={"limit_bytes": self._max_bytes, "limit_files": MAX_FILES},
            )

    def _remove(self, pipe: Pipeline, user_id: str, removed: list[FileInfo]) -> None:
        for info in removed:
            pipe.hdel(keys.user_files(user_id), info.file_id)
            pipe.unlink(keys.user_file(user_id, info.file_id))

    def _renew(self, pipe: Pipeline, user_id: str, kept: list[FileInfo]) -> None:
        pipe.pexpire(keys.user_files(user_id), self._life_ms)
        for info in kept:
            pipe.pexpire(keys.user_file(user_id, info.file_id), self._life_ms)


def _decode(found: dict[bytes, bytes]) -> list[FileInfo]:
    return [_decoder.decode(value) for value in found.values()]


def _describe(new: NewFile, kept: list[FileInfo]) -> FileInfo:
    table = ""
    if new.kind == "table":
        table = _free_name(table_name(new.name), {info.table for info in kept})
    return FileInfo(
        file_id=new_file_id(),
        name=new.name,
        kind=new.kind,
        size=new.size,
        created_at=now_ms(),
        table=table,
        columns=new.columns,
        rows=new.rows,
    )


def _free_name(base: str, taken: set[str]) -> str:
    name, number = base, 1
    while name in taken:
        number += 1
        name = f"{base}_{number}"
    return name
