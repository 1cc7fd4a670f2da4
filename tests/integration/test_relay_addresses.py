"""The ways in which a platform gives the address of its Redis: with a password, a database number, TLS."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.redis import RedisServer, connect, free_port, new_server
from tests.support.relay import RelayServer, RunWriter, running_relay
from tests.support.waiting import wait_until


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    server = new_server(tmp_path / "redis")
    server.start()
    yield server
    server.stop()


def assert_relayed(url: str, writer_url: str, directory: Path) -> None:
    """A relay on `url` shows both a run's history and its present."""
    with running_relay(url, directory) as relay, relay.connect() as browser, connect(writer_url) as client:
        run = RunWriter(client).start()
        browser.subscribe(run.run_id).read_until("live")
        run.say(3)
        browser.read_until_seq(run.run_id, 4)


def test_a_user_and_password_are_used(server: RedisServer, tmp_path: Path) -> None:
    with connect(server.url) as client:
        client.acl_setuser(
            "relay", enabled=True, passwords=["+p@ss/word"], keys=["*"], channels=["*"], categories=["+@all"]
        )
        client.acl_setuser("default", enabled=False)
    url = server.url.replace("redis://", "redis://relay:p%40ss%2Fword@")

    assert_relayed(url, url, tmp_path)


def test_a_password_alone_is_used(server: RedisServer, tmp_path: Path) -> None:
    with connect(server.url) as client:
        client.config_set("requirepass", "secret")
    url = server.url.replace("redis://", "redis://:secret@")

    assert_relayed(url, url, tmp_path)


def test_another_database_is_used(server: RedisServer, tmp_path: Path) -> None:
    url = server.url.rpartition("/")[0] + "/3"

    assert_relayed(url, url, tmp_path)


def test_tls_is_used_and_the_certificate_is_checked(server: RedisServer, tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path)
    with tls_in_front(int(server.url.rsplit(":", 1)[1].partition("/")[0]), certificate, key) as port:
        address = f"rediss://127.0.0.1:{port}/0"
        assert_relayed(f"{address}?ssl_ca_certs={certificate}", server.url, tmp_path / "checked")
        assert_relayed(f"{address}?ssl_cert_reqs=none", server.url, tmp_path / "unchecked")
        stranger = RelayServer(address, tmp_path / "unknown")
        wait_until(lambda: "no subscriber connection" in stranger.process.output, 20, what="the relay refuses")
        assert not stranger.state()["is_listening"]
        stranger.process.stop()


def make_certificate(directory: Path) -> tuple[Path, Path]:
    """Make a self-signed certificate for this machine."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("needs the openssl program")
    certificate, key = directory / "certificate.pem", directory / "key.pem"
    options = ["-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    files = ["-keyout", str(key), "-out", str(certificate), "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([openssl, "req", *options, *files], check=True, capture_output=True)
    return certificate, key


@contextlib.contextmanager
def tls_in_front(target_port: int, certificate: Path, key: Path) -> Iterator[int]:
    """Take TLS off connections to a free port, and forward them."""
    port = free_port()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    is_ready = threading.Event()
    with asyncio.Runner() as runner:
        loop, stopping = runner.get_loop(), asyncio.Event()
        work = forward_without_tls(port, target_port, context, is_ready, stopping)
        os_thread = threading.Thread(target=runner.run, args=(work,), name="tls")
        os_thread.start()
        is_ready.wait()
        try:
            yield port
        finally:
            loop.call_soon_threadsafe(stopping.set)
            os_thread.join()


async def forward_without_tls(
    port: int, target_port: int, context: ssl.SSLContext, is_ready: threading.Event, stopping: asyncio.Event
) -> None:
    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", target_port)
        await asyncio.gather(copy(reader, far_writer), copy(far_reader, writer))

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                writer.write(data)
        writer.close()

    server = await asyncio.start_server(forward, "127.0.0.1", port, ssl=context)
    is_ready.set()
    await stopping.wait()
    server.close()
