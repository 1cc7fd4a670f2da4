"""What the Redis server must be like, read from its INFO and CONFIG. No I/O."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

_KEEPS_EVERYTHING = "noeviction"
#: The oldest whose scripts, streams and users do what is needed here.
_OLDEST = (6, 2)


class ServerFacts(NamedTuple):
    """What a server says of itself; a managed one may keep CONFIG to itself, but answers INFO."""

    #: Empty when it does not say.
    eviction_policy: str
    appends: bool
    #: Whether it writes snapshots; None when it does not say.
    saves: bool | None
    #: Of Redis, or of the Redis that it says to be like; empty when it does not say.
    version: str = ""
    #: Connections that it takes at one time; 0 when it does not say.
    max_clients: int = 0


def read_facts(info: Mapping[str, Any], save: str | None) -> ServerFacts:
    """Read them from INFO and, if that was allowed, CONFIG GET save."""
    return ServerFacts(
        eviction_policy=str(info.get("maxmemory_policy", "")),
        appends=bool(int(info.get("aof_enabled", 0))),
        saves=None if save is None else bool(save.strip()),
        version=str(info.get("redis_version", "")),
        max_clients=int(info.get("maxclients", 0)),
    )


def refusal_of(facts: ServerFacts, *, allow_eviction: bool) -> str | None:
    """Say why nothing may be kept there; None if it may."""
    numbers = re.match(r"(\d+)\.(\d+)", facts.version)
    if numbers and tuple(map(int, numbers.groups())) < _OLDEST:
        return f"The Redis server is version {facts.version}; expected {'.'.join(map(str, _OLDEST))} or newer."
    if facts.eviction_policy in ("", _KEEPS_EVERYTHING) or allow_eviction:
        return None
    return (
        f"The Redis server may throw keys away (maxmemory-policy is {facts.eviction_policy}), and runs with them. "
        f"Set it to {_KEEPS_EVERYTHING}, or set ALLOW_EVICTION=true if losing runs without a trace is all right."
    )


def warning_of(facts: ServerFacts) -> str | None:
    """Say what a restart of the server would cost; None if it keeps what it has."""
    if facts.appends:
        return None
    if facts.saves:
        return "The Redis server has no append-only file: a restart loses the runs since its last snapshot."
    if facts.saves is None:
        return "The Redis server has no append-only file: a restart may lose runs."
    return "The Redis server persists nothing: a restart loses all runs."
