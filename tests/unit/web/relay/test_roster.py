from __future__ import annotations

import asyncio
from dataclasses import replace

from web.relay.limits import RelayLimits
from web.relay.messages import CloseCode
from web.relay.outlet import Outlet
from web.relay.roster import Roster

LIMITS = replace(RelayLimits(), sockets_per_user=2)


async def outlets(count: int) -> list[Outlet]:
    return [Outlet(LIMITS, beat_seconds=1) for _ in range(count)]


async def test_one_socket_too_many_of_a_user_is_refused_until_another_leaves() -> None:
    roster = Roster(LIMITS, capacity=10)
    first, second, third = await outlets(3)
    assert roster.enter(first, "usr_1") is None
    assert roster.enter(second, "usr_1") is None

    assert roster.enter(third, "usr_1") is CloseCode.TOO_MANY
    assert roster.enter(third, "usr_2") is None

    roster.leave(first)
    assert roster.enter(first, "usr_1") is None


async def test_a_refused_socket_that_leaves_makes_no_room() -> None:
    roster = Roster(LIMITS, capacity=1)
    first, second, third = await outlets(3)
    roster.enter(first, "usr_1")
    assert roster.enter(second, "usr_2") is CloseCode.OVERLOADED

    roster.leave(second)

    assert roster.enter(third, "usr_3") is CloseCode.OVERLOADED
    assert len(roster) == 1


async def test_nobody_and_nobody_new_is_let_in() -> None:
    roster = Roster(LIMITS, capacity=1)
    (outlet,) = await outlets(1)
    assert roster.enter(outlet, None) is CloseCode.SIGN_IN

    roster.is_closing = True

    assert roster.enter(outlet, "usr_1") is CloseCode.RESTARTING


async def test_emptied_waits_for_the_last_socket() -> None:
    roster = Roster(LIMITS, capacity=10)
    sockets = await outlets(3)
    for socket in sockets:
        roster.enter(socket, f"usr_{id(socket)}")
    waiting = asyncio.create_task(roster.emptied())

    for socket in sockets:
        assert not waiting.done()
        roster.leave(socket)
        await asyncio.sleep(0)

    await waiting
