"""A proxy in front that signs people in and names them in a header, such as oauth2-proxy.

Anybody can send a header. It counts only from the proxy's own address: that of the direct peer, as the server saw it,
not what X-Forwarded-For says.
"""

from __future__ import annotations

import logging
from collections.abc import Set as AbstractSet
from ipaddress import IPv4Address, IPv6Address, ip_address

from flask import Request

from web.identity.user import SignedIn, User, user_of
from web.identity_settings import ProxySettings

logger = logging.getLogger(__name__)

_SPACE = "proxy"


class ProxyHeader:
    """Believes the header of the proxy, and of nobody else."""

    def __init__(self, settings: ProxySettings, operators: AbstractSet[str]) -> None:
        self._settings = settings
        self._operators = operators

    def identify(self, request: Request) -> User | None:
        """Say who sends this request; None when the proxy names nobody, or when it is not from the proxy."""
        sent = request.headers.get(self._settings.header)
        if sent is None:
            return None
        if not self._is_proxy(request):
            _log_refusal("not from PROXY_ADDRESSES", peer=_peer(request))
            return None
        # Servers join repeated headers with commas: of two names one is not the proxy's.
        if "," in sent:
            _log_refusal("several values")
            return None
        return user_of(SignedIn(_text(sent).strip()), operators=self._operators, space=_SPACE)

    def _is_proxy(self, request: Request) -> bool:
        try:
            address = ip_address(_peer(request))
        except ValueError:
            return False
        return any(plain(address) in network for network in self._settings.networks)


def _peer(request: Request) -> str:
    """The address at the other end of the connection, before `ProxyFix` puts another in its place."""
    seen = request.environ.get("werkzeug.proxy_fix.orig", request.environ)
    return str(seen.get("REMOTE_ADDR") or "")


def plain(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """A socket that listens on `[::]` calls IPv4 peers `::ffff:10.0.0.1`."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _text(sent: str) -> str:
    """WSGI gives a header's bytes as Latin-1; proxies send UTF-8."""
    try:
        return sent.encode("latin-1").decode()
    except UnicodeError:
        return sent


def _log_refusal(reason: str, **facts: str) -> None:
    logger.warning("sign-in refused", extra={"action": "sign_in_refused", "reason": reason, **facts})
