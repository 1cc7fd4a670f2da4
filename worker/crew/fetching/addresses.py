"""Which addresses may be fetched from: public ones only.

The attack: a page, or the person who asks, names an address inside the network that the worker stands in (a cloud's
metadata service, Redis, an admin page), and the worker fetches what the asker cannot reach.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from worker.crew.errors import PageRefused, PageUnavailable

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
#: Gives the addresses of a host and port as text.
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]

#: Refused although the standard library of some Python versions calls them global. Each of them leads to an IPv4
#: address that is not the one in plain sight, or to no public host.
_NOT_PUBLIC: tuple[Network, ...] = tuple(
    ip_network(text)
    for text in (
        "192.0.0.0/24",  # protocol assignments
        "192.88.99.0/24",  # 6to4 relays
        "100.64.0.0/10",  # carriers' private addresses
        "::/96",  # IPv4-compatible
        "64:ff9b::/96",  # NAT64
        "64:ff9b:1::/48",  # local NAT64
        "2001::/23",  # Teredo and other protocol assignments
        "2002::/16",  # 6to4
        "fec0::/10",  # site-local
    )
)


class AddressGuard:
    """Decides whether an address may be connected to.

    Args:
        allowed: networks that are allowed although they are not public; for tests, no setting leads here.
        resolve: how names become addresses; None asks the system.
    """

    def __init__(self, *, allowed: Sequence[Network] = (), resolve: Resolve | None = None) -> None:
        self._allowed = tuple(allowed)
        self._resolve = resolve or _system_resolve

    async def addresses(self, host: str, port: int) -> list[str]:
        """Resolve a host and check every address it has.

        Raises:
            PageRefused: One of them is not public: a host with a public and a private address is up to something.
            PageUnavailable: The name has no address.
        """
        found = list(dict.fromkeys(await self._resolve(host, port)))
        if not found:
            raise PageUnavailable(f"{host} has no address.")
        for text in found:
            if not self.permits(text):
                leads = "" if host == text else f" leads to {text}, which"
                raise PageRefused(f"{host}{leads} is not an address of the public internet.")
        return found

    def permits(self, text: str) -> bool:
        """Whether this address may be connected to."""
        address: Address = ip_address(text.split("%", 1)[0])
        if isinstance(address, IPv6Address) and address.ipv4_mapped:
            address = address.ipv4_mapped
        if any(address in network for network in self._allowed):
            return True
        return is_public(address)


def is_public(address: Address) -> bool:
    """Whether an address belongs to a host of the public internet."""
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        return is_public(address.ipv4_mapped)
    refused = (
        address.is_multicast,
        address.is_private,
        address.is_loopback,
        address.is_link_local,
        address.is_reserved,
        address.is_unspecified,
        any(address in network for network in _NOT_PUBLIC),
    )
    return address.is_global and not any(refused)


async def _system_resolve(host: str, port: int) -> list[str]:
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError, OverflowError) as error:
        raise PageUnavailable(f"{host} cannot be found.") from error
    return [str(entry[4][0]) for entry in found]
