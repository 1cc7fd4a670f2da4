"""The issuer's public keys, read from its address and kept: a process goes on with them when the issuer is away.

Keys are read by an OS thread of their own, one at a time. A request waits for it only when its token names a key that
is not known, and only a few requests may: the others are asked to come again, so that an issuer that does not answer
cannot take all of a process's OS threads.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from typing import Any

import httpx2
import msgspec
from jwt import PyJWK

from web.errors import Unavailable

logger = logging.getLogger(__name__)

#: Keys are changed rarely, and by way of a time in which old and new ones are shown.
_FRESH_SECONDS = 300.0
#: A token may name any key, and whoever sends it can make up names: at most one read in so long.
_PAUSE_SECONDS = 5.0
#: Each step of a read, and all of it.
_STEP_SECONDS = 3.0
_READ_SECONDS = 5.0
_MAX_BYTES = 512 * 1024
#: Requests that wait for one read at a time.
_WAITING = 4


class UnknownKey(Exception):
    """Raised when the issuer shows no such key."""


class IssuerKeys:
    """For use by many OS threads."""

    def __init__(self, url: str, *, pause_seconds: float = _PAUSE_SECONDS) -> None:
        self._url = url
        self._pause = pause_seconds
        self._keys: Mapping[str, Any] = {}
        self._guard = threading.Lock()
        self._reading: threading.Event | None = None
        self._begun_at = -float("inf")
        self._read_at = -float("inf")
        self._places = threading.BoundedSemaphore(_WAITING)

    def find(self, key_id: str | None) -> Any:
        """Give the key of this name, as PyJWT takes it; a token without one means the only key.

        Raises:
            UnknownKey: There is none.
            Unavailable: The keys have never been read, or too many wait for them.
        """
        if time.monotonic() - self._read_at > _FRESH_SECONDS:
            self._begin()
        found = self._look_up(key_id)
        if found is None:
            self._wait()
            found = self._look_up(key_id)
        if found is not None:
            return found
        raise UnknownKey if self._keys else _unavailable()

    def _look_up(self, key_id: str | None) -> Any:
        keys = self._keys
        if key_id is None:
            return next(iter(keys.values())) if len(keys) == 1 else None
        return keys.get(key_id)

    def _wait(self) -> None:
        """Wait for the read that goes on or may begin; there is none a moment after the last."""
        if (reading := self._begin()) is None:
            return
        if not self._places.acquire(blocking=False):
            raise _unavailable()
        try:
            reading.wait(_READ_SECONDS + _STEP_SECONDS)
        finally:
            self._places.release()

    def _begin(self) -> threading.Event | None:
        """Start a read unless one goes on; None when the last one was a moment ago."""
        with self._guard:
            if self._reading is not None:
                return self._reading
            now = time.monotonic()
            if now - self._begun_at < self._pause:
                return None
            self._begun_at = now
            self._reading = done = threading.Event()
        threading.Thread(target=self._read, args=(done,), name="issuer-keys", daemon=True).start()
        return done

    def _read(self, done: threading.Event) -> None:
        try:
            keys = _usable(_fetch(self._url))
            if not keys:
                raise ValueError("no usable key")
            self._keys = keys
            self._read_at = time.monotonic()
        except Exception as error:  # noqa: BLE001 - whatever an issuer answers, the keys that are known stay
            # The address may hold a token, and the error the address.
            facts = {"action": "issuer_keys_unread", "reason": type(error).__name__, "kept": len(self._keys)}
            logger.warning("issuer's keys not read", extra=facts)
        finally:
            with self._guard:
                self._reading = None
            done.set()


def _unavailable() -> Unavailable:
    words = "The sign-in cannot be checked at the moment; try again."
    return Unavailable(words, code="keys_unavailable", detail={"retryable": True})


def _fetch(url: str) -> Any:
    end = time.monotonic() + _READ_SECONDS
    body = bytearray()
    with httpx2.Client(timeout=_STEP_SECONDS) as client, client.stream("GET", url) as response:
        if response.status_code != 200:
            raise ValueError(f"status {response.status_code}")
        for piece in response.iter_bytes():
            body += piece
            if len(body) > _MAX_BYTES or time.monotonic() > end:
                raise ValueError("too large or too slow")
    return msgspec.json.decode(bytes(body))


def _usable(found: Any) -> dict[str, Any]:
    """Public keys for signatures, by name; what this process cannot read is passed over."""
    listed = found.get("keys") if isinstance(found, dict) else None
    keys: dict[str, Any] = {}
    for place, one in enumerate(listed if isinstance(listed, list) else []):
        # "oct" is a shared secret: nothing that is shown to everybody may be one.
        if not isinstance(one, dict) or one.get("use", "sig") != "sig" or one.get("kty") == "oct":
            continue
        if (key := _parse(one)) is not None:
            keys[str(one.get("kid", f"unnamed {place}"))] = key
    return keys


def _parse(one: dict[str, Any]) -> Any:
    try:
        key = PyJWK(one)
    except Exception as error:  # noqa: BLE001 - of what others write anything may be odd, and the rest must count
        logger.debug("issuer's key passed over", extra={"reason": type(error).__name__})
        return None
    # PyJWT would take RS256 for the only algorithm of an RSA key that names none.
    return key if "alg" in one else key.key
