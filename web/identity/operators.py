"""The operators' password: for those who may look inside, whatever way users sign in.

Given by HTTP Basic, which browsers ask for by themselves and send to nothing but our pages for operators. Whoever
guesses is stopped after some tries, by address.
"""

from __future__ import annotations

import hmac
import logging
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address

from flask import Request

from web.errors import LimitReached
from web.identity.proxy import plain
from web.identity.user import User, readable, user_id_of
from worker.contract.environment import Secret

logger = logging.getLogger(__name__)

CHALLENGE = 'Basic realm="outloud operators", charset="UTF-8"'

_PATHS = ("/ops", "/api/ops")
#: Wrong tries that an address has …
_TRIES = 10
#: … in this time.
_SECONDS = 60.0
#: Addresses remembered, those that tried last; each costs less than 1 KiB.
_ADDRESSES = 1000
_IPV6_NETWORK_BITS = 64


def is_for_operators(path: str) -> bool:
    """Whether the password counts at this path."""
    return any(path == one or path.startswith(f"{one}/") for one in _PATHS)


class OperatorPassword:
    """Lets in whoever knows the password. For use by many OS threads."""

    def __init__(self, password: Secret, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._password = password.reveal().encode()
        self._guesses = Guesses(clock)

    @property
    def is_set(self) -> bool:
        return bool(self._password)

    def find_operator(self, request: Request, user: User | None) -> User | None:
        """Say which operator sends this request: `user`, as one; None if the password is not in it, or is wrong.

        Raises:
            LimitReached: Too many wrong ones came from this address.
        """
        given = request.authorization
        if not self.is_set or not is_for_operators(request.path) or given is None or given.type != "basic":
            return None
        address = _address_of(request)
        self._guesses.check(address)
        if not hmac.compare_digest((given.password or "").encode(), self._password):
            self._guesses.note(address)
            logger.warning("operator refused", extra={"action": "operator_refused", "peer": address})
            return None
        name = given.username or "operator"
        if user is None:
            user = User(user_id_of(name, "operator"), anonymous=False)
        return user._replace(name=user.name or readable(name), is_operator=True)


class Guesses:
    """Wrong tries by address."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._guard = threading.Lock()
        self._tries: OrderedDict[str, deque[float]] = OrderedDict()

    def check(self, address: str) -> None:
        """Stop an address that has used up its tries.

        Raises:
            LimitReached: It has.
        """
        with self._guard:
            tries = self._tries.get(address)
            if tries is not None and len(tries) == _TRIES and self._clock() - tries[0] < _SECONDS:
                raise LimitReached("Too many wrong passwords; wait a minute.", code="too_many_tries")

    def note(self, address: str) -> None:
        """Count a wrong try."""
        with self._guard:
            self._tries.setdefault(address, deque(maxlen=_TRIES)).append(self._clock())
            self._tries.move_to_end(address)
            if len(self._tries) > _ADDRESSES:
                self._tries.popitem(last=False)


def _address_of(request: Request) -> str:
    text = request.remote_addr or ""
    try:
        address = plain(ip_address(_without_port(text)))
    except ValueError:
        return text[:50]
    if isinstance(address, IPv6Address):
        # One customer has them all.
        return f"{IPv6Address(int(address) >> (128 - _IPV6_NETWORK_BITS) << (128 - _IPV6_NETWORK_BITS))}/64"
    return str(address)


def _without_port(text: str) -> str:
    """Some proxies write `198.51.100.7:5678` or `[2001:db8::1]:5678`: with each port a guesser would begin anew."""
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0] if text.count(":") == 1 else text
