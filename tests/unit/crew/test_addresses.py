"""Which addresses may be fetched from."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address, ip_network

import pytest

from worker.crew.errors import PageRefused, PageUnavailable
from worker.crew.fetching.addresses import AddressGuard, is_public
from worker.crew.fetching.fetcher import parse_url


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.8.9.1",
        "0.0.0.0",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "192.0.0.8",
        "192.88.99.1",
        "198.18.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "2001::1",
        "fc00::1",
        "fe80::1",
        "fec0::1",
        "ff02::1",
        "2001:db8::1",
    ],
)
def test_an_address_that_is_not_public_is_refused(address: str) -> None:
    assert not is_public(ip_address(address))
    assert not AddressGuard().permits(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "93.184.216.34", "2606:4700::1111", "::ffff:8.8.8.8"])
def test_a_public_address_is_permitted(address: str) -> None:
    assert is_public(ip_address(address))
    assert AddressGuard().permits(address)


def test_a_scope_does_not_hide_a_local_address() -> None:
    assert not AddressGuard().permits("fe80::1%eth0")


async def test_one_private_address_among_public_ones_refuses_the_host() -> None:
    async def resolve(_host: str, _port: int) -> Sequence[str]:
        return ["8.8.8.8", "10.0.0.1"]

    with pytest.raises(PageRefused, match=r"shop\.example leads to 10\.0\.0\.1"):
        await AddressGuard(resolve=resolve).addresses("shop.example", 80)


async def test_a_host_without_an_address_is_unavailable() -> None:
    async def resolve(_host: str, _port: int) -> Sequence[str]:
        return []

    with pytest.raises(PageUnavailable, match="has no address"):
        await AddressGuard(resolve=resolve).addresses("nowhere.example", 80)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.1", "0x7f000001", "2130706433", "::1"])
async def test_every_way_to_write_this_machine_is_refused(host: str) -> None:
    with pytest.raises((PageRefused, PageUnavailable)):
        await AddressGuard().addresses(host, 80)


async def test_an_allowed_network_is_for_whoever_makes_the_guard() -> None:
    guard = AddressGuard(allowed=[ip_network("127.0.0.1/32")])
    assert await guard.addresses("127.0.0.1", 80) == ["127.0.0.1"]
    with pytest.raises(PageRefused):
        await guard.addresses("127.0.0.2", 80)


@pytest.mark.parametrize(
    "address",
    ["", "ftp://example.com/", "file:///etc/passwd", "gopher://x/", "//example.com", "http://", "http://a:b@example.com/",
     "http://user@example.com/", "javascript:alert(1)", "unix:/tmp/x", "http://example.com:99999/"],
)  # fmt: skip
def test_only_plain_http_addresses_are_read(address: str) -> None:
    with pytest.raises(PageRefused):
        parse_url(address)
