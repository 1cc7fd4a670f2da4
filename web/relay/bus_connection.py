"""A connection to Redis that only listens, on the relay's event loop: bytes to replies, commands to bytes.

Raw protocol and hiredis: redis-py's subscriber costs ten times the CPU per message.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

import hiredis
from redis.asyncio.connection import SSLConnection

from web.relay.errors import BusRefused


class BusConnection(asyncio.Protocol):
    """Bytes to replies, commands to bytes."""

    def __init__(self, on_replies: Callable[[Iterable[Any]], None]) -> None:
        self._reader = hiredis.Reader()
        self._on_replies = on_replies
        self._transport: asyncio.Transport | None = None
        #: Done when the connection is closed; raises what closed it.
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        try:
            self._on_replies(list(iter(self._reader.gets, False)))
        except (BusRefused, hiredis.ProtocolError) as error:
            self._close(BusRefused(str(error)))
            self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._close(ConnectionResetError(f"Redis closed the subscriber connection ({exc or 'end of stream'})"))

    def send(self, *command: bytes) -> None:
        if self._transport is not None:
            # The stub speaks of a tuple of one.
            self._transport.write(hiredis.pack_command(command))  # type: ignore[arg-type]

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _close(self, reason: Exception) -> None:
        if not self.closed.done():
            self.closed.set_exception(reason)


async def connect(options: Mapping[str, Any], on_replies: Callable[[Iterable[Any]], None]) -> BusConnection:
    loop = asyncio.get_running_loop()
    if path := options.get("path"):
        _, connection = await loop.create_unix_connection(lambda: BusConnection(on_replies), path)
        return connection
    is_tls = options.get("connection_class") is SSLConnection
    _, connection = await loop.create_connection(
        lambda: BusConnection(on_replies),
        options.get("host", "localhost"),
        options.get("port", 6379),
        ssl=_tls_context(options) if is_tls else None,
    )
    return connection


def _tls_context(options: Mapping[str, Any]) -> ssl.SSLContext:
    """Build what the address asks for, in the words of `worker.contract.redis_address`."""
    context = ssl.create_default_context()
    if authorities := options.get("ssl_ca_certs"):
        # Beside those of this machine, as redis-py has it.
        context.load_verify_locations(authorities)
    if certificate := options.get("ssl_certfile"):
        context.load_cert_chain(certificate, options.get("ssl_keyfile"), options.get("ssl_password"))
    if not options.get("ssl_check_hostname", True):
        context.check_hostname = False
    if options.get("ssl_cert_reqs") == "none":
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
