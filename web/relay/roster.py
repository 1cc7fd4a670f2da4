"""Who is connected to this process, and whether there is room for one more. On the event loop."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterator

from web.relay.limits import RelayLimits
from web.relay.messages import CloseCode
from web.relay.outlet import Outlet


class Roster:
    """The open sockets by user."""

    def __init__(self, limits: RelayLimits, *, capacity: int) -> None:
        self._limits = limits
        self._capacity = capacity
        self._users: dict[Outlet, str] = {}
        self._sockets_of: Counter[str] = Counter()
        self.is_closing = False
        self._has_left = asyncio.Event()

    def __len__(self) -> int:
        return len(self._users)

    def __iter__(self) -> Iterator[Outlet]:
        """Over the sockets open now; safe while they leave."""
        return iter(tuple(self._users))

    def enter(self, outlet: Outlet, user_id: str | None) -> CloseCode | None:
        """Let a socket in, or say why not. None as the user is one who has not signed in."""
        if self.is_closing:
            return CloseCode.RESTARTING
        if user_id is None:
            return CloseCode.SIGN_IN
        if len(self._users) >= self._capacity:
            return CloseCode.OVERLOADED
        # The new one is refused, not the oldest cut: tabs that push each other out would reconnect for ever.
        if self._sockets_of[user_id] >= self._limits.sockets_per_user:
            return CloseCode.TOO_MANY
        self._users[outlet] = user_id
        self._sockets_of[user_id] += 1
        return None

    def leave(self, outlet: Outlet) -> None:
        """A socket is gone; one that was refused changes nothing."""
        if (user_id := self._users.pop(outlet, None)) is None:
            return
        self._sockets_of[user_id] -= 1
        if not self._sockets_of[user_id]:
            del self._sockets_of[user_id]
        self._has_left.set()

    async def watch_sign_ins(self) -> None:
        """End every connection whose sign-in has ended.

        One look at all of them each second, instead of a timer for each: it costs no memory, and the clock is that of
        the sign-ins, also after this machine was asleep.
        """
        while True:
            await asyncio.sleep(self._limits.sign_in_check_seconds)
            now = time.time() * 1000
            for outlet in [outlet for outlet in self._users if 0 < outlet.expires_at <= now]:
                if not outlet.is_finished:
                    outlet.end_sign_in()

    async def emptied(self) -> None:
        """Wait until the last socket is gone."""
        while self._users:
            self._has_left.clear()
            await self._has_left.wait()
