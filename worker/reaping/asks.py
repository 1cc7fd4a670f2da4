"""What a step of the reaper asks of the process that drives it, and gets as the value of its `yield`."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, NamedTuple, TypeVar

from worker.contract.scripts import ScriptCall

T = TypeVar("T")


class Commands(NamedTuple):
    """Redis commands in one round trip; answered with a list of what redis-py gives for each.

    That is bytes, a dict for HGETALL, pairs of id and fields for XRANGE.
    """

    commands: list[tuple[str | int, ...]]


class Ring(NamedTuple):
    """Send the doorbell message of a run to its queue; answered with None, whether or not it could be sent."""

    run_id: str
    queue: str
    #: Its agent, by which Flower names the task; empty when that is not known.
    agent: str = ""


Ask = Commands | ScriptCall | Ring
#: A piece of work that yields asks and returns a T.
Work = Generator[Ask, Any, T]
