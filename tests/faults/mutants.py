"""Systems that are broken on purpose, to prove that the checker would notice: each with a schedule that brings it out.

`mutant_web` and `mutant_worker` are the processes; the environment says which mutant they are.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from tests.faults.schedule import Fault, Schedule, only
from tests.faults.seeds import Player
from tests.faults.variables import MUTANT
from tests.support.system import procfile_line

#: A broken system may never come to rest, and shows soon enough that it is broken.
_QUIET_SECONDS = 6.0


class Mutant(NamedTuple):
    name: str
    #: The kind of process that is broken.
    kind: str
    words: str
    schedule: Callable[[int], Schedule]
    #: The rules that have to catch it; a failure of another kind proves nothing.
    rules: frozenset[str]
    workers: int = 1
    #: It has to be caught within so many.
    seeds: int = 3


#: As in the Procfile, but for the application.
_COMMANDS = {
    "web": 'gunicorn "tests.faults.mutant_web:create_app()" --config python:web.gunicorn',
    "worker": procfile_line("worker").replace("-A worker ", "-A tests.faults.mutant_worker "),
}


def is_caught(mutant: Mutant, directory: Path) -> bool:
    """Whether the checker notices what is wrong with it. Blocks for some ten seconds per seed."""
    artifacts = directory / "histories"
    with Player(directory, artifacts=artifacts, quiet_seconds=_QUIET_SECONDS, **options(mutant)) as player:
        results = (player.play(mutant.schedule(seed)) for seed in range(1, mutant.seeds + 1))
        return any(violation.rule in mutant.rules for result in results for violation in result.violations)


def options(mutant: Mutant) -> dict[str, Any]:
    """How its fleet is started."""
    return {
        "workers": mutant.workers,
        "webs": 1,
        "commands": {mutant.kind: _COMMANDS[mutant.kind]},
        "settings": {MUTANT: mutant.name},
    }


def _late_history(seed: int) -> Schedule:
    """Reading the history takes longer than hearing what is new, and is done again and again."""
    faults = [Fault(at=0.5, kind="web_link_slices", seconds=3.5)]
    faults += [Fault(at=at, kind="pubsub_kill") for at in (1.5, 2.0, 2.5, 3.0)]
    return only(seed, faults, agents=("talker",), count=6)


def _much_talk(seed: int) -> Schedule:
    return only(seed, [], agents=("talker",), count=9)


def _another_log(seed: int) -> Schedule:
    """Redis forgets the last, no worker knows it any more, and the viewers are away until all is told anew."""
    faults = [
        Fault(at=2.2, kind="viewer_link_cut", seconds=7),
        Fault(at=2.4, kind="all_workers_kill"),
        Fault(at=2.45, kind="rollback", amount=60_000),
    ]
    return only(seed, faults, agents=("talker", "sequence"), count=6)


def _frozen_worker(seed: int) -> Schedule:
    return only(seed, [Fault(at=1.2, kind="worker_freeze", seconds=4)], agents=("sequence", "talker"), count=6)


def _killed_worker(seed: int) -> Schedule:
    return only(seed, [Fault(at=1.8, kind="worker_kill")], agents=("sequence", "crowd"), count=5)


MUTANTS = (
    Mutant(
        "skips_buffer",
        "web",
        "throws away what is published while it reads the history",
        _late_history,
        frozenset({"contiguous"}),
    ),
    Mutant("drops", "web", "loses one event in a thousand on the way out", _much_talk, frozenset({"contiguous"})),
    Mutant(
        "ignores_tag",
        "web",
        "takes a number for proof of a place",
        _another_log,
        frozenset({"acknowledged", "equal", "emitted"}),
    ),
    Mutant(
        "ignores_fence",
        "worker",
        "writes on after it has lost its run",
        _frozen_worker,
        frozenset({"fenced", "begun_again", "finished_repeated", "tools_closed"}),
        workers=2,
    ),
    Mutant(
        "ignores_journal",
        "worker",
        "begins anew instead of going on",
        _killed_worker,
        frozenset({"finished_repeated", "begun_again", "tools_closed"}),
    ),
)
