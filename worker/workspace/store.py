"""The user's files in Redis: the truth that every cache is made from. See `worker.contract.keys` for the two keys."""

from __future__ import annotations

import contextlib
import logging
import time
import zlib
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Any

import msgspec
import redis

from worker.contract import keys
from worker.contract.files import FileInfo
from worker.workspace.errors import BadInput, LimitReached, StoreUnavailable
from worker.workspace.limits import WorkspaceLimits

if TYPE_CHECKING:
    from redis.client import Pipeline

logger = logging.getLogger(__name__)

#: An entry without bytes is expired for certain once it is this old; a younger one may be half written.
_SETTLED_MS = 600_000


class FileStore:
    """The files of one user. Blocks; any number of OS threads may use it."""

    def __init__(self, client: redis.Redis, user_id: str, limits: WorkspaceLimits) -> None:
        self._client = client
        self._user_id = user_id
        self._limits = limits
        self._index = keys.user_files(user_id)

    def files(self) -> list[FileInfo]:
        """List all files, oldest first.

        Raises:
            StoreUnavailable: Redis does not answer.
        """
        with _translated():
            entries: Any = self._client.hgetall(self._index)
        return _decoded(entries)

    def read(self, info: FileInfo) -> str | None:
        """Return a file's canonical text; None when it has expired, which also ends its entry.

        Raises:
            BadInput: The stored bytes cannot be read, or not in full.
            StoreUnavailable: Redis does not answer.
        """
        with _translated():
            packed: Any = self._client.get(keys.user_file(self._user_id, info.file_id))
            if packed is None:
                if info.created_at < _now_ms() - _SETTLED_MS:
                    self._client.hdel(self._index, info.file_id)
                return None
        return self._unpack(packed)

    def put(self, info: FileInfo, text: str) -> None:
        """Store a file in the place of every file with the same name, or the same table name.

        All of a user's files age together, from the last change: a list never names bytes that are gone.

        Raises:
            LimitReached: It is too large, or there are too many files.
            StoreUnavailable: Redis does not answer.
        """
        packed = zlib.compress(text.encode())

        def write(pipe: Pipeline) -> None:
            present: Any = pipe.hgetall(self._index)
            files = _decoded(present)
            kept = [old for old in files if not _is_same(old, info)]
            self._check_limits(info, kept)
            pipe.multi()
            self._queue_removal(pipe, [old.file_id for old in files if old not in kept])
            pipe.set(keys.user_file(self._user_id, info.file_id), packed)
            pipe.hset(self._index, info.file_id, msgspec.json.encode(info))
            self._queue_renewal(pipe, [*kept, info])

        # Watched, so that two writers of one name do not both find nothing to replace.
        with _translated():
            self._client.transaction(write, self._index)

    def remove(self, file_ids: Collection[str]) -> None:
        """Remove files; those that are gone already are no error.

        Raises:
            StoreUnavailable: Redis does not answer.
        """
        if file_ids:
            with _translated(), self._client.pipeline(transaction=True) as pipe:
                self._queue_removal(pipe, file_ids)
                pipe.execute()

    def _check_limits(self, info: FileInfo, kept: list[FileInfo]) -> None:
        limits = self._limits
        if info.size > limits.max_file_bytes:
            raise LimitReached(f"{info.name} has {info.size:,} bytes; the limit is {limits.max_file_bytes:,}.")
        if len(kept) >= limits.max_files:
            raise LimitReached(f"There are {len(kept)} files already; the limit is {limits.max_files}.")
        total = sum(old.size for old in kept) + info.size
        if total > limits.max_user_bytes:
            raise LimitReached(f"All files would have {total:,} bytes; the limit is {limits.max_user_bytes:,}.")

    def _queue_renewal(self, pipe: Pipeline, kept: list[FileInfo]) -> None:
        for key in (self._index, *(keys.user_file(self._user_id, info.file_id) for info in kept)):
            pipe.expire(key, self._limits.retention_seconds)

    def _queue_removal(self, pipe: Pipeline, file_ids: Collection[str]) -> None:
        for file_id in file_ids:
            pipe.delete(keys.user_file(self._user_id, file_id))
            pipe.hdel(self._index, file_id)

    def _unpack(self, packed: bytes) -> str:
        # Bounded, because a few kilobytes of zlib can stand for gigabytes.
        unpacker = zlib.decompressobj()
        limit = self._limits.max_file_bytes
        try:
            # One more than may come, so that the end is reached when the text has exactly the limit's size.
            text = unpacker.decompress(packed, limit + 1)
        except zlib.error as error:
            logger.warning("file bytes cannot be unpacked", extra={"user_id": self._user_id})
            raise BadInput("The stored file is damaged; upload it again.") from error
        # A part of a table would give wrong answers that look right.
        if len(text) > limit:
            raise BadInput(f"The file is larger than the limit of {limit:,} bytes.")
        if not unpacker.eof:
            raise BadInput("The stored file is not complete; upload it again.")
        return text.decode(errors="replace")


def _decoded(entries: dict[bytes, bytes]) -> list[FileInfo]:
    found = []
    for file_id, encoded in entries.items():
        try:
            found.append(msgspec.json.decode(encoded, type=FileInfo))
        except msgspec.DecodeError:
            # One unreadable entry must not hide the user's other files.
            logger.warning("file entry cannot be read", extra={"file_id": file_id})
    return sorted(found, key=lambda info: (info.created_at, info.file_id))


def _is_same(old: FileInfo, new: FileInfo) -> bool:
    return old.name == new.name or (new.table != "" and old.table == new.table)


def _now_ms() -> int:
    return int(time.time() * 1000)


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except redis.RedisError as error:
        raise StoreUnavailable("The files cannot be reached right now; try again in a moment.") from error
