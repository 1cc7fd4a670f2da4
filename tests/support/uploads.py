"""Files as an upload leaves them in Redis."""

from __future__ import annotations

import secrets
import time
import zlib
from typing import Any

import msgspec
import redis

from worker.contract import keys
from worker.contract.files import FileInfo, FileKind, table_name

RETENTION_SECONDS = 86_400


def upload(client: redis.Redis, user_id: str, name: str, text: str, *, kind: FileKind = "table") -> FileInfo:
    """Store a file for a user; `text` is canonical CSV or a document."""
    lines = text.splitlines()
    details: dict[str, Any] = {}
    if kind == "table":
        details = {"table": table_name(name), "columns": lines[0].split(","), "rows": len(lines) - 1}
    info = FileInfo(
        file_id=f"file_{secrets.token_hex(8)}",
        name=name,
        kind=kind,
        size=len(text.encode()),
        created_at=int(time.time() * 1000),
        **details,
    )
    with client.pipeline(transaction=True) as pipe:
        pipe.set(keys.user_file(user_id, info.file_id), zlib.compress(text.encode()), ex=RETENTION_SECONDS)
        pipe.hset(keys.user_files(user_id), info.file_id, msgspec.json.encode(info))
        pipe.expire(keys.user_files(user_id), RETENTION_SECONDS)
        pipe.execute()
    return info


def remove_upload(client: redis.Redis, user_id: str, file_id: str) -> None:
    """Remove a file as the web does."""
    client.hdel(keys.user_files(user_id), file_id)
    client.delete(keys.user_file(user_id, file_id))
