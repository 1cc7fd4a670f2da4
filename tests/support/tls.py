"""Servers behind TLS, with certificates made for the test: signed by its own authority, or by themselves."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import trustme

from tests.support.redis import free_port


class Authority:
    """Signs certificates; nobody but the test trusts it.

    Args:
        directory: holds `ca_file`, its own certificate.
    """

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._ca = trustme.CA()
        self._directory = directory
        self.ca_file = directory / "authority.pem"
        self._ca.cert_pem.write_to_path(str(self.ca_file))

    def context(self, *names: str) -> ssl.SSLContext:
        """What a server shows whose certificate has these names or addresses."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._ca.issue_cert(*names).configure_cert(context)
        return context

    def self_signed(self) -> ssl.SSLContext:
        """What a server shows that vouches for itself."""
        file = self._directory / "self-signed.pem"
        file.write_bytes(self._ca.private_key_pem.bytes() + self._ca.cert_pem.bytes())
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context


@contextlib.contextmanager
def tls_in_front(target_port: int, context: ssl.SSLContext) -> Iterator[int]:
    """Take TLS off connections to a free port of this machine, and forward them."""
    front = _Front(free_port(), target_port, context)
    os_thread = threading.Thread(target=lambda: asyncio.run(front.serve()), name="tls")
    os_thread.start()
    front.is_ready.wait()
    try:
        yield front.port
    finally:
        front.loop.call_soon_threadsafe(front.stopping.set)
        os_thread.join()


class _Front:
    def __init__(self, port: int, target_port: int, context: ssl.SSLContext) -> None:
        self.port = port
        self._target_port = target_port
        self._context = context
        self.is_ready = threading.Event()
        self.loop: asyncio.AbstractEventLoop
        self.stopping: asyncio.Event

    async def serve(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.stopping = asyncio.Event()
        server = await asyncio.start_server(self._forward, "127.0.0.1", self.port, ssl=self._context)
        self.is_ready.set()
        await self.stopping.wait()
        server.close()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target_port)
        await asyncio.gather(_copy(reader, far_writer), _copy(far_reader, writer))


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.close()
