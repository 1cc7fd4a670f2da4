"""What a check before the start finds, on either side."""

from __future__ import annotations

from typing import Literal, NamedTuple

from worker.contract.connections import LEAST


class WebSide(NamedTuple):
    """What the web side says of itself."""

    problems: tuple[str, ...]
    #: How many web processes one start makes.
    processes: int


class Finding(NamedTuple):
    """One line of a check. `note`: worth knowing, and no reason to stop."""

    state: Literal["ok", "note", "wrong"]
    words: str

    def __str__(self) -> str:
        return f"{self.state:<5}  {self.words}"


def judge_connections(limit: int, processes: int, each: int) -> Finding:
    """Hold the server's limit of connections (0: it does not say) against what the processes of one start may hold.

    A deploy has the old and the new ones at one time.
    """
    most = 2 * processes * each
    needs = f"{processes} processes may hold {each} each (REDIS_CONNECTIONS), and a deploy doubles that to {most}"
    if limit == 0:
        return Finding("note", f"connections: the server does not say how many it takes; {needs}")
    if limit < most:
        advice = f"REDIS_CONNECTIONS={max(LEAST, limit // (2 * processes))} or a larger plan"
        state: Literal["note", "wrong"] = "wrong" if limit < LEAST * processes else "note"
        return Finding(state, f"connections: the server takes {limit}, but {needs}; {advice} would suit")
    return Finding("ok", f"connections: the server takes {limit}; {needs}")
