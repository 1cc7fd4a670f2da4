"""What a session has found, before it is a page."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

Outcome = Literal["passed", "failed"]


class Check(NamedTuple):
    """One statement about the system, and whether it holds."""

    group: str
    statement: str
    outcome: Outcome
    seconds: float
    #: Why it does not; empty if it does.
    words: str = ""


class Figure(NamedTuple):
    """Something measured."""

    name: str
    value: str
    #: What it must be, or how it was measured; may be empty.
    words: str = ""


class Picture(NamedTuple):
    """A screenshot, as PNG or JPEG."""

    caption: str
    content: bytes
    kind: Literal["png", "jpeg"] = "jpeg"


class Output(NamedTuple):
    """The last words of a process."""

    name: str
    words: str


@dataclass
class Report:
    """Filled while the session goes on; complete enough at any time to be shown."""

    #: Where it was: the address.
    address: str = ""
    begun_at: float = field(default_factory=time.time)
    ended_at: float = 0.0
    #: Why the session is over before its end; empty if it is not.
    problem: str = ""
    deployed: list[Figure] = field(default_factory=list)
    formation: list[Figure] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)
    outputs: list[Output] = field(default_factory=list)

    def figure(self, name: str, value: object, words: str = "") -> None:
        """Keep a figure; a later one of the same name takes its place."""
        self.figures = [figure for figure in self.figures if figure.name != name]
        self.figures.append(Figure(name, str(value), words))

    @property
    def failed(self) -> list[Check]:
        return [check for check in self.checks if check.outcome == "failed"]

    @property
    def is_passed(self) -> bool:
        return bool(self.checks) and not self.failed and not self.problem
