"""The parts of the platform by name, and which of them are taken away for trying what is said then."""

from __future__ import annotations

from typing import Literal, NamedTuple

Kind = Literal["web", "worker"]

REDIS, RELEASE, ROUTER = "redis", "release", "router"


class Plan(NamedTuple):
    """How many processes run, and the part that is left out; empty for none."""

    webs: int = 2
    workers: int = 2
    without: str = ""

    def count(self, kind: Kind) -> int:
        return self.webs if kind == "web" else self.workers

    @property
    def names(self) -> list[str]:
        """Every part, in the order in which they come up."""
        webs = [f"web.{n}" for n in range(1, self.webs + 1)]
        workers = [f"worker.{n}" for n in range(1, self.workers + 1)]
        return [REDIS, RELEASE, *workers, *webs, ROUTER]
