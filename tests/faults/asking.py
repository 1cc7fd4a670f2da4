"""HTTP as a person's browser does it, without a library that would try again by itself: one connection, one answer."""

from __future__ import annotations

import asyncio
import json
from typing import Any, NamedTuple
from urllib.parse import urlsplit


class Answer(NamedTuple):
    #: 0: none came, or not all of it.
    status: int
    body: dict[str, Any]
    cookie: str = ""


NONE = Answer(0, {})


async def ask(
    url: str, method: str, path: str, *, body: object = None, cookie: str = "", patience: float = 6.0
) -> Answer:
    """Ask once; whatever goes wrong on the way is no answer."""
    try:
        async with asyncio.timeout(patience):
            return await _ask(url, method, path, body, cookie)
    except (OSError, EOFError, TimeoutError, ValueError):
        return NONE


async def _ask(url: str, method: str, path: str, body: object, cookie: str) -> Answer:
    place = urlsplit(url)
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    try:
        payload = b"" if body is None else json.dumps(body).encode()
        lines = [
            f"{method} {path} HTTP/1.1",
            f"Host: {place.netloc}",
            "Connection: close",
            f"Content-Length: {len(payload)}",
            *(["Content-Type: application/json"] if payload else []),
            *([f"Cookie: {cookie}"] if cookie else []),
        ]
        writer.write("\r\n".join([*lines, "", ""]).encode() + payload)
        return _parse(await reader.read(-1))
    finally:
        writer.close()


def _parse(raw: bytes) -> Answer:
    head, mark, payload = raw.partition(b"\r\n\r\n")
    status, *lines = head.decode("latin-1").split("\r\n")
    fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if not mark or len(payload) != int(fields.get("content-length", -1)):
        return NONE
    cookie = fields.get("set-cookie", "").partition(";")[0]
    return Answer(int(status.split(" ")[1]), json.loads(payload), cookie)
