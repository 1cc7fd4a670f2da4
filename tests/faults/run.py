"""Plays many seeds and prints what came of them: `python -m tests.faults.run --seeds 200`.

Exit code 1 if any rule was broken or a mutant got away. `--control` plays plain Celery on the same schedules instead.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import importlib.metadata
import multiprocessing
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tests.faults.mutants import MUTANTS, is_caught
from tests.faults.report import add_up, table
from tests.faults.schedule import make_schedule
from tests.faults.seeds import Player, SeedResult
from tests.support.environment import scrub
from worker.local.redis_server import find_server

_PACKAGES = ("celery", "kombu", "redis", "gunicorn", "uvloop")
_WORDS_PER_SEED = 6


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    scrub(os.environ)
    if options.control:
        # Only here: it is another program, which happens to be measured by the same schedules.
        from tests.faults.control import run_control

        print(run_control(range(options.first, options.first + options.seeds)))
        return 0
    begun = time.monotonic()
    seeds = range(options.first, options.first + options.seeds)
    results = list(_play(seeds, options.kinds, options.processes))
    caught = _catch_mutants() if options.mutants else {}
    mutants = f"{sum(caught.values())} of {len(caught)}" if caught else "not tried"
    print()
    print(table(add_up(results), mutants=mutants, seconds=time.monotonic() - begun, versions=_versions()))
    is_good = all(not result.violations for result in results) and all(caught.values())
    return 0 if is_good else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.run", description=__doc__)
    parser.add_argument("--seeds", type=int, default=200, help="how many")
    parser.add_argument("--first", type=int, default=1, help="the first seed")
    parser.add_argument("--processes", type=int, default=1, help="systems side by side")
    parser.add_argument("--kinds", type=lambda text: text.split(","), default=[], help="only these faults")
    parser.add_argument("--mutants", action="store_true", help="try whether every mutant is caught, too")
    parser.add_argument("--control", action="store_true", help="plain late-acknowledging Celery instead")
    return parser


def _play(seeds: Sequence[int], kinds: Sequence[str], processes: int) -> Iterator[SeedResult]:
    context = multiprocessing.get_context("spawn")
    queue: Any = context.Queue()
    shares = [seeds[number::processes] for number in range(processes)]
    children = [context.Process(target=_play_share, args=(share, kinds, queue)) for share in shares]
    for child in children:
        child.start()
    for _ in seeds:
        result: SeedResult = queue.get()
        _say(result)
        yield result
    for child in children:
        child.join()


def _play_share(seeds: Sequence[int], kinds: Sequence[str], queue: Any) -> None:
    with _directory() as directory, Player(directory) as player:
        for seed in seeds:
            queue.put(player.play(make_schedule(seed, kinds=kinds)))


def _catch_mutants() -> dict[str, bool]:
    caught = {}
    for mutant in MUTANTS:
        with _directory() as directory:
            caught[mutant.name] = is_caught(mutant, directory)
        print(f"mutant {mutant.name}: {'caught' if caught[mutant.name] else 'NOT CAUGHT'}", flush=True)
    return caught


@contextlib.contextmanager
def _directory() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="faults-", ignore_cleanup_errors=True) as name:
        yield Path(name)


def _say(result: SeedResult) -> None:
    faults = " ".join(sorted(result.figures.faults.elements())) if result.figures else "-"
    verdict = f"{len(result.violations)} violations, see {result.file}" if result.violations else "ok"
    print(f"seed {result.seed}: {result.seconds:.1f} s, {faults}: {verdict}", flush=True)
    for violation in result.violations[:_WORDS_PER_SEED]:
        print(f"    {violation.rule}: {violation.where}: {violation.words}", flush=True)


def _versions() -> dict[str, str]:
    server = subprocess.run([str(find_server()), "--version"], capture_output=True, text=True, check=False).stdout
    packages = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in _PACKAGES)
    return {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "Python": platform.python_version(),
        "store": " ".join(server.split()[:3]),
        "packages": packages,
        "processors": str(os.cpu_count()),
    }


if __name__ == "__main__":
    sys.exit(main())
