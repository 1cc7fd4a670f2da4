"""A seed gives a schedule: what is asked of the system, what is done to it, and when. Pure: the same seed, the same.

Every fault is healed before the schedule is over. Times are seconds from its begin.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Literal, NamedTuple

import msgspec

#: What can be done, to whom. `worker_link` and `web_link` lead to Redis, `viewer_link` from a person to a web process.
Process = Literal["worker", "web"]
Link = Literal["worker_link", "web_link", "viewer_link"]
LINKS: tuple[Link, ...] = ("worker_link", "web_link", "viewer_link")
#: How a link fails. `silent_up`: what is sent towards the server (Redis, or the web process) does not arrive.
LINK_MODES = ("delay", "cut", "silent", "silent_up", "silent_down", "slices", "swallow")

ViewerKind = Literal["steady", "late", "restless", "slow", "page"]
Agent = Literal["sequence", "crowd", "boss", "asker", "talker", "careful"]

#: A run may lose its worker so often and still be completed; one more and it may end as `worker_lost`.
BEARABLE_LOSSES = 2


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is done."""

    at: float
    kind: str
    #: Which worker, web process or link, counted from 0.
    target: int = 0
    #: How long until it is healed; a killed process comes back by itself.
    seconds: float = 0.0
    #: By kind: bytes cut off the append-only file, seconds of delay, replies swallowed.
    amount: float = 0.0


class PlannedRun(msgspec.Struct, frozen=True, kw_only=True):
    """A message that a person sends."""

    at: float
    #: Also the message's text, so that the model and the checker know the run by it.
    name: str
    agent: Agent
    #: When the person stops it, after it was accepted; None: lets it be.
    stop_after: float | None = None
    #: What the person says if asked, and how long that takes.
    approves: bool = True
    thinks_for: float = 0.0


class PlannedViewer(msgspec.Struct, frozen=True, kw_only=True):
    """Someone who watches: one run, or all of them on one page."""

    name: str
    kind: ViewerKind
    #: Names of the runs.
    runs: tuple[str, ...]
    #: How long after the run was accepted it begins to watch.
    after: float = 0.0


class Schedule(msgspec.Struct, frozen=True, kw_only=True):
    seed: int
    runs: tuple[PlannedRun, ...]
    viewers: tuple[PlannedViewer, ...]
    faults: tuple[Fault, ...]

    @property
    def kinds(self) -> frozenset[str]:
        return frozenset(fault.kind for fault in self.faults)


class Kind(NamedTuple):
    """A kind of fault: how often it is drawn, how long it lasts, how it is measured, whether it may cost a lease."""

    weight: float
    #: Shortest and longest.
    seconds: tuple[float, float] = (0.0, 0.0)
    amount: tuple[float, float] = (0.0, 0.0)
    loses: bool = False


def _link_kinds() -> dict[str, Kind]:
    modes = {
        "delay": Kind(1, (0.5, 2.0), (0.02, 0.15)),
        "cut": Kind(1.5, (0.0, 1.2)),
        "silent": Kind(1, (0.5, 3.0), loses=True),
        "silent_up": Kind(0.7, (0.5, 3.0), loses=True),
        "silent_down": Kind(0.7, (0.5, 3.0), loses=True),
        "slices": Kind(0.7, (0.4, 1.2)),
        "swallow": Kind(1.5, (1.0, 2.0), (1, 3)),
    }
    return {
        f"{link}_{mode}": kind if link == "worker_link" else kind._replace(loses=False)
        for link in LINKS
        for mode, kind in modes.items()
    }


#: Leases are 2 s in this suite; `worker_freeze` lasts longer than one.
KINDS: dict[str, Kind] = {
    "worker_kill": Kind(4, loses=True),
    "all_workers_kill": Kind(1.5, loses=True),
    "worker_freeze": Kind(3, (2.6, 4.0), loses=True),
    "worker_term": Kind(2),
    "web_kill": Kind(3),
    "web_freeze": Kind(2, (0.5, 3.0)),
    "web_term": Kind(2),
    "rolling": Kind(1),
    "redis_kill": Kind(3),
    "pubsub_kill": Kind(2),
    "script_flush": Kind(1.5),
    "doorbells_lost": Kind(2),
    "doorbells_doubled": Kind(2),
    **_link_kinds(),
}
#: A fault of its own, checked by weaker rules: Redis comes back without the last it was told.
ROLLBACK = Kind(1, amount=(300, 6000))
#: In so many of 100 seeds.
ROLLBACK_PERCENT = 6

FIRST_FAULT, LAST_FAULT = 0.3, 3.2
LAST_POST = 2.0
#: Who may watch a run beside the one who always does.
GUESTS: tuple[ViewerKind, ...] = ("late", "restless", "slow")
AGENTS: tuple[tuple[Agent, int], ...] = (
    ("sequence", 4),
    ("crowd", 2),
    ("boss", 2),
    ("asker", 2),
    ("talker", 2),
    ("careful", 1),
)


def make_schedule(seed: int, *, kinds: Sequence[str] = (), workers: int = 2, webs: int = 2) -> Schedule:
    """Draw the schedule of a seed.

    Args:
        kinds: only these faults; empty takes all.
        workers, webs: how many processes there are to be hurt.
    """
    rng = random.Random(seed)
    runs = _runs(rng, seed)
    return Schedule(
        seed=seed,
        runs=runs,
        viewers=_viewers(rng, runs),
        faults=_faults(rng, kinds, {"worker": workers, "web": webs}),
    )


def only(seed: int, faults: Sequence[Fault], *, agents: Sequence[Agent] = (), count: int = 6) -> Schedule:
    """A seed's load with faults of the test's own."""
    rng = random.Random(seed)
    runs = _runs(rng, seed, count=count, agents=agents)
    return Schedule(seed=seed, runs=runs, viewers=_viewers(rng, runs), faults=tuple(faults))


def _runs(
    rng: random.Random, seed: int, *, count: int | None = None, agents: Sequence[Agent] = ()
) -> tuple[PlannedRun, ...]:
    names, weights = zip(*AGENTS, strict=True)
    found = []
    for number in range(count or rng.randint(5, 9)):
        agent: Agent = rng.choice(agents) if agents else rng.choices(names, weights)[0]
        found.append(
            PlannedRun(
                at=round(rng.uniform(0, LAST_POST), 3),
                name=f"seed {seed} run {number}",
                agent=agent,
                stop_after=round(rng.uniform(0, 4), 3) if not agents and rng.random() < 0.15 else None,
                approves=rng.random() < 0.7,
                thinks_for=round(rng.uniform(0, 2.5), 3),
            )
        )
    return tuple(sorted(found, key=lambda run: run.at))


def _viewers(rng: random.Random, runs: Sequence[PlannedRun]) -> tuple[PlannedViewer, ...]:
    found = [PlannedViewer(name="page", kind="page", runs=tuple(run.name for run in runs))]
    for number, run in enumerate(runs):
        for kind in ("steady", *rng.sample(GUESTS, rng.randint(0, 2))):
            after = round(rng.uniform(0.5, 4), 3) if kind == "late" else 0.0
            found.append(PlannedViewer(name=f"{kind} {number}", kind=kind, runs=(run.name,), after=after))
    return tuple(found)


def _faults(rng: random.Random, kinds: Sequence[str], targets: dict[str, int]) -> tuple[Fault, ...]:
    table = {name: kind for name, kind in KINDS.items() if not kinds or name in kinds}
    count = rng.choices((1, 2, 3, 4), (1, 3, 3, 2))[0]
    rolls_back = not kinds and rng.random() * 100 < ROLLBACK_PERCENT
    found: list[Fault] = []
    losses = 0
    while table and len(found) < count:
        name = rng.choices(list(table), [kind.weight for kind in table.values()])[0]
        losses += table[name].loses
        if losses <= BEARABLE_LOSSES:
            found.append(_fault(rng, name, table[name], targets))
        elif all(kind.loses for kind in table.values()):
            break
        else:
            losses -= table[name].loses
    if rolls_back or "rollback" in kinds:
        found.append(_fault(rng, "rollback", ROLLBACK, targets))
    return tuple(sorted(found, key=lambda fault: fault.at))


def _fault(rng: random.Random, name: str, kind: Kind, targets: dict[str, int]) -> Fault:
    victims = targets["worker" if name.startswith(("worker", "all_workers")) else "web"]
    return Fault(
        at=_between(rng, (FIRST_FAULT, LAST_FAULT)),
        kind=name,
        target=rng.randrange(victims),
        seconds=_between(rng, kind.seconds),
        amount=_between(rng, kind.amount),
    )


def _between(rng: random.Random, bounds: tuple[float, float]) -> float:
    return round(rng.uniform(*bounds), 3)
