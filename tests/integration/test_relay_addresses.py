"""The ways in which a platform gives the address of its Redis: with a password, a database number, TLS."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.support.redis import RedisServer, connect, new_server
from tests.support.relay import RunWriter, running_relay
from tests.support.tls import Authority, tls_in_front
from web.relay.bus import Bus
from web.relay.limits import RelayLimits


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
    authority = Authority(tmp_path)
    with tls_in_front(server.port, authority.context("127.0.0.1")) as port:
        address = f"rediss://127.0.0.1:{port}/0"
        assert_relayed(f"{address}?ssl_ca_certs={authority.ca_file}", server.url, tmp_path / "checked")
        assert_relayed(f"{address}?ssl_cert_reqs=none", server.url, tmp_path / "unchecked")


@pytest.mark.parametrize(
    ("names", "words", "is_heard"),
    [
        ("127.0.0.1", "?ssl_cert_reqs=required&ssl_ca_certs={ca}", True),
        ("127.0.0.1", "?ssl_cert_reqs=required", False),
        ("127.0.0.1", "?ssl_cert_reqs=none", True),
        ("elsewhere.example", "?ssl_cert_reqs=required&ssl_ca_certs={ca}", False),
        ("elsewhere.example", "?ssl_cert_reqs=required&ssl_ca_certs={ca}&ssl_check_hostname=false", True),
        ("elsewhere.example", "?ssl_cert_reqs=none", True),
    ],
)
async def test_the_bus_checks_certificate_and_name_unless_told_otherwise(
    redis_server: RedisServer, tmp_path: Path, names: str, words: str, is_heard: bool
) -> None:
    authority = Authority(tmp_path)
    with tls_in_front(redis_server.port, authority.context(names)) as port:
        url = f"rediss://127.0.0.1:{port}/0{words.format(ca=authority.ca_file)}"
        listener = Listener()
        bus = Bus(url, listener, probe_channel="probe", limits=RelayLimits())
        bus.subscribe("news")
        work = asyncio.create_task(bus.run())
        with contextlib.suppress(TimeoutError):
            # A refused connection never comes up; one that is taken does within milliseconds.
            await asyncio.wait_for(listener.is_subscribed.wait(), 5 if is_heard else 0.5)
        work.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await work

    assert listener.is_subscribed.is_set() == is_heard


class Listener:
    """Notes that the bus hears what it was asked to hear."""

    def __init__(self) -> None:
        self.is_subscribed = asyncio.Event()

    def on_subscribed(self, channel: bytes) -> None:
        self.is_subscribed.set()

    def on_messages(self, messages: Sequence[tuple[bytes, bytes]]) -> None:
        pass

    def on_lost(self) -> None:
        pass
