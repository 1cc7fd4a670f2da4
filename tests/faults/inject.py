"""Carries out the faults of a schedule on a fleet, and heals them."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import redis

from tests.faults.fleet import READY_SECONDS, RESTART_SECONDS, Fleet, Member
from tests.faults.history import FaultBegun, FaultEnded, History
from tests.faults.schedule import Fault
from tests.support.proxy import NONE, Proxy, Trouble
from worker.contract.commands import DEFAULT_QUEUE

#: What is in the requests whose replies are swallowed: writes of the worker and the web, and all that a person asks.
_SWALLOWED = {"worker_link": b"EVALSHA", "web_link": b"EVALSHA", "viewer_link": b"HTTP/1.1"}

Deed = Callable[["Injector", Fault], Awaitable[None]]


class Injector:
    """Does one seed's faults; several may be under way at once."""

    def __init__(self, fleet: Fleet, history: History) -> None:
        self._fleet = fleet
        self._history = history
        self._troubles: dict[Proxy, list[Trouble]] = {}
        self._restarting = asyncio.Lock()

    async def carry_out(self, fault: Fault) -> None:
        """Do it, and return when it is healed."""
        self._history.add(FaultBegun(fault=fault))
        await self._deed(fault.kind)(self, fault)
        self._history.add(FaultEnded(fault=fault))

    def _deed(self, kind: str) -> Deed:
        if "_link_" in kind:
            return Injector._trouble
        return _DEEDS[kind]

    async def _kill(self, fault: Fault) -> None:
        await self._end([self._victim(fault)], signal.SIGKILL)

    async def _kill_all_workers(self, _: Fault) -> None:
        await self._end(self._fleet.workers, signal.SIGKILL)

    async def _term(self, fault: Fault) -> None:
        await self._end([self._victim(fault)], signal.SIGTERM)

    async def _roll(self, _: Fault) -> None:
        """A deploy: one after another, everything is stopped and started anew."""
        for number in range(max(len(self._fleet.workers), len(self._fleet.webs))):
            await self._end([one for one in self._fleet.members if one.number == number], signal.SIGTERM)

    async def _freeze(self, fault: Fault) -> None:
        member = self._victim(fault)
        pid = await asyncio.to_thread(self._fleet.send, member, signal.SIGSTOP)
        await asyncio.sleep(fault.seconds)
        if pid and member.pid == pid:
            await asyncio.to_thread(self._fleet.send, member, signal.SIGCONT)

    async def _kill_redis(self, _: Fault) -> None:
        async with self._restarting:
            await asyncio.to_thread(self._restart_redis, 0)

    async def _roll_back(self, fault: Fault) -> None:
        async with self._restarting:
            await asyncio.to_thread(self._restart_redis, round(fault.amount))

    async def _kill_subscribers(self, _: Fault) -> None:
        await self._tell_redis("CLIENT", "KILL", "TYPE", "pubsub")

    async def _flush_scripts(self, _: Fault) -> None:
        await self._tell_redis("SCRIPT", "FLUSH")

    async def _lose_doorbells(self, _: Fault) -> None:
        await asyncio.to_thread(self._on_queues, lambda client, key, _: client.delete(key))

    async def _double_doorbells(self, _: Fault) -> None:
        def double(client: redis.Redis, key: bytes, messages: list[bytes]) -> None:
            client.rpush(key, *messages)

        await asyncio.to_thread(self._on_queues, double)

    async def _trouble(self, fault: Fault) -> None:
        link, _, mode = fault.kind.partition("_link_")
        member = self._victim(fault)
        proxy = member.link if link != "viewer" else member.door
        assert proxy is not None
        if mode == "swallow":
            proxy.swallow_reply_to(_SWALLOWED[f"{link}_link"], times=max(1, round(fault.amount)))
            await asyncio.sleep(fault.seconds)
            proxy.swallow_reply_to(None)
            return
        trouble = _trouble(mode, fault.amount)
        await self._change(proxy, lambda troubles: troubles.append(trouble))
        if mode == "cut":
            await asyncio.to_thread(lambda: proxy.cut(reset=fault.seconds > _RESETS_ABOVE))
        await asyncio.sleep(fault.seconds)
        await self._change(proxy, lambda troubles: troubles.remove(trouble))

    async def _change(self, proxy: Proxy, change: Callable[[list[Trouble]], None]) -> None:
        """Several faults of one link add up."""
        troubles = self._troubles.setdefault(proxy, [])
        change(troubles)
        together = {
            "delay": sum(trouble.delay for trouble in troubles),
            "silent": frozenset().union(*(trouble.silent for trouble in troubles)),
            "slices": max((trouble.slices for trouble in troubles), default=0),
            "refuses": any(trouble.refuses for trouble in troubles),
        }
        await asyncio.to_thread(lambda: proxy.trouble_with(**together))

    async def _end(self, members: list[Member], signum: signal.Signals) -> None:
        """Signal them, and wait until each is back."""
        pids = {member.name: await asyncio.to_thread(self._fleet.send, member, signum) for member in members}
        for member in members:
            await _wait_for_successor(member, pids[member.name])

    async def _tell_redis(self, *command: str) -> None:
        def tell() -> None:
            with self._fleet.connect() as client:
                client.execute_command(*command)

        await _if_redis_is_there(tell)

    def _on_queues(self, work: Callable[[redis.Redis, bytes, list[bytes]], Any]) -> None:
        """Do something with each of Celery's lists."""

        def do() -> None:
            with self._fleet.connect() as client:
                for key in client.keys(f"{DEFAULT_QUEUE}*"):
                    if client.type(key) == b"list" and (messages := client.lrange(key, 0, -1)):
                        work(client, key, messages)

        _ignoring_absence(do)

    def _restart_redis(self, cut_bytes: int) -> None:
        server = self._fleet.redis
        server.kill()
        if cut_bytes:
            _truncate(server.directory / "appendonlydir", cut_bytes)
        time.sleep(RESTART_SECONDS)
        server.start()

    def _victim(self, fault: Fault) -> Member:
        members = self._fleet.workers if fault.kind.startswith("worker") else self._fleet.webs
        return members[fault.target % len(members)]


#: Longer cuts look like crashes, shorter ones like restarts.
_RESETS_ABOVE = 0.5

_DEEDS: dict[str, Deed] = {
    "worker_kill": Injector._kill,
    "web_kill": Injector._kill,
    "all_workers_kill": Injector._kill_all_workers,
    "worker_term": Injector._term,
    "web_term": Injector._term,
    "rolling": Injector._roll,
    "worker_freeze": Injector._freeze,
    "web_freeze": Injector._freeze,
    "redis_kill": Injector._kill_redis,
    "rollback": Injector._roll_back,
    "pubsub_kill": Injector._kill_subscribers,
    "script_flush": Injector._flush_scripts,
    "doorbells_lost": Injector._lose_doorbells,
    "doorbells_doubled": Injector._double_doorbells,
}


def _trouble(mode: str, amount: float) -> Trouble:
    match mode:
        case "delay":
            return Trouble(delay=amount)
        case "cut":
            return Trouble(refuses=True)
        case "silent":
            return Trouble(silent=frozenset({"up", "down"}))
        case "silent_up":
            return Trouble(silent=frozenset({"up"}))
        case "silent_down":
            return Trouble(silent=frozenset({"down"}))
        case "slices":
            return Trouble(slices=1)
    return NONE


def _truncate(folder: Path, cut_bytes: int) -> None:
    """Lose the end of the append-only file, as a failing disk or a replica that was behind does."""
    newest = max(folder.glob("*.incr.aof"), key=lambda file: int(file.name.split(".")[-3]))
    size = newest.stat().st_size
    os.truncate(newest, max(0, size - cut_bytes))


async def _if_redis_is_there(work: Callable[[], None]) -> None:
    await asyncio.to_thread(_ignoring_absence, work)


def _ignoring_absence(work: Callable[[], None]) -> None:
    try:
        work()
    except redis.RedisError:
        return


async def _wait_for_successor(member: Member, pid: int) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while not await asyncio.to_thread(lambda: member.pid != pid and member.is_ready):
        if time.monotonic() > deadline:
            state = "still runs" if member.pid == pid else f"is not ready: {member.words}"
            raise TimeoutError(f"{member.name} was ended and {state}")
        await asyncio.sleep(0.05)
