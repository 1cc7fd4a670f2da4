"""Who asks: a token, or an anonymous user whose cookie is kept in a file, so that other shells see their runs."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hashlib
import os
import re
import tempfile
from collections.abc import AsyncIterator, Callable, Generator
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

import httpx2

from worker.contract.environment import Secret

COOKIE = "outloud_user"

_LOCK_POLL_SECONDS = 0.05
#: What a header can carry and our cookie is made of; a file that was damaged is no cookie.
_COOKIE_VALUE = re.compile(r"[!#-+\--:<-\[\]-~]{1,4096}")


class TokenAuth(httpx2.Auth):
    """Signs every request with a token."""

    def __init__(self, token: Secret) -> None:
        self._token = token

    def auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
        request.headers["Authorization"] = f"Bearer {self._token.reveal()}"
        yield request


class CookieAuth(httpx2.Auth):
    """Sends the anonymous user's cookie, and keeps every new one that the server gives.

    Args:
        on_unkept: Told once, with the reason, when the cookie cannot be kept.
    """

    def __init__(self, keeper: CookieFile, on_unkept: Callable[[str], None]) -> None:
        self._keeper = keeper
        self._on_unkept = on_unkept
        self._value = keeper.read()

    @property
    def has_cookie(self) -> bool:
        return bool(self._value)

    def auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
        request.headers.pop("Cookie", None)
        if self._value:
            request.headers["Cookie"] = f"{COOKIE}={self._value}"
        response = yield request
        fresh = response.cookies.get(COOKIE)
        if not fresh or fresh == self._value:
            return
        # Another command may have become a user while this one asked as nobody: its run must stay in sight.
        others = "" if self._value else self._keeper.read()
        self._value = others or fresh
        if not others:
            self._keep(fresh)

    def reread(self) -> None:
        """Take the cookie that another process may have been given meanwhile."""
        self._value = self._keeper.read() or self._value

    def _keep(self, value: str) -> None:
        try:
            self._keeper.write(value)
        except OSError as error:
            self._on_unkept(f"{self._keeper.path}: {error.strerror or error}")


class CookieFile:
    """One server's cookie on disk, readable by its owner alone."""

    def __init__(self, folder: Path, server: str) -> None:
        # Readable, and apart also for two addresses that differ only in what a file name cannot hold.
        name = re.sub(r"[^a-z0-9.]+", "_", urlsplit(server).netloc.lower())[:60]
        self.path = folder / f"{name}-{hashlib.sha256(server.encode()).hexdigest()[:8]}.cookie"

    def read(self) -> str:
        """Give the cookie's value; empty when there is none that can be used."""
        try:
            value = self.path.read_text(encoding="ascii").strip()
        except (OSError, UnicodeError):
            return ""
        return value if _COOKIE_VALUE.fullmatch(value) else ""

    def write(self, value: str) -> None:
        """Keep a value: the file holds the old one or the new one, at any moment.

        Raises:
            OSError: It cannot be kept.
        """
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=self.path.parent)  # Mode 0600.
        try:
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                file.write(f"{value}\n")
            Path(name).replace(self.path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise

    @contextlib.asynccontextmanager
    async def locked(self) -> AsyncIterator[None]:
        """Hold other processes off that want to become a user of this server too.

        Two commands that start together would else become two users, and one of them would lose sight of its run.
        """
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = self.path.with_suffix(".lock").open("w")
        except OSError:
            # Where nothing can be kept, nothing is shared.
            yield
            return
        with lock:
            while True:
                if _take(lock):
                    break
                await asyncio.sleep(_LOCK_POLL_SECONDS)
            yield


def _take(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
