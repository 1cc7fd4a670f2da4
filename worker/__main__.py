"""`python -m worker check`: proves that every registered agent is wired, against a real log.

With `--all`, for the release phase of a platform: everything that both sides need. Here alone the two sides meet: see
decision 11. Exit code 0: all is well. 1: something is not, or could not be checked.
`backup FILE` and `restore FILE` copy the store, see `worker.backup`; 1 when that could not be done.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from redis.exceptions import RedisError

from web.check import look
from worker.agent.errors import RegistrationError
from worker.agent.registry import load_registry
from worker.backup import backup, restore
from worker.backup import connect as connect_for_copies
from worker.backup_file import BackupError
from worker.check import check_all, check_on_redis, words_of
from worker.contract.environment import Environment, SettingsError
from worker.settings import WorkerSettings
from worker.wiring import Wiring, problems_of

#: Beside the wait for Redis: an agent's own code that blocks for ever must not hold up a deploy for ever.
_DEADLINE_SECONDS = 15.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m worker", description="Tools for whoever runs a worker.")
    commands = parser.add_subparsers(dest="command", required=True)
    check = commands.add_parser("check", help="prove that every agent's tools are shown to whoever watches")
    check.add_argument("--all", action="store_true", help="and all else that a deploy needs, of web and worker")
    _add_copies(commands)
    chosen = parser.parse_args(arguments)
    if chosen.command in ("backup", "restore"):
        return _copy(chosen, os.environ)
    return _check_all(os.environ) if chosen.all else _check_wiring(os.environ)


def _add_copies(commands: Any) -> None:
    copy = commands.add_parser("backup", help="write all threads, runs and files of the store to a new file")
    copy.add_argument("file", type=Path)
    back = commands.add_parser("restore", help="bring the keys of a backup into an empty store")
    back.add_argument("file", type=Path)
    back.add_argument("--replace", action="store_true", help="overwrite keys that are there")


def _copy(chosen: argparse.Namespace, environ: Mapping[str, str]) -> int:
    env = Environment(environ)
    url = env.redis_url()
    try:
        env.check()
        with connect_for_copies(url) as client:
            if chosen.command == "backup":
                print(f"{backup(client, chosen.file)} keys written to {chosen.file}")
            else:
                done = restore(client, chosen.file, replace=chosen.replace)
                print(f"{done.entries} keys restored; {done.unfinished} of their runs are not finished and go on")
    except (SettingsError, BackupError, RedisError) as error:
        print(words_of(error, url), file=sys.stderr)
        return 1
    return 0


def report(found: Sequence[Wiring]) -> int:
    """Print what was found; returns the exit code."""
    for line in problems_of(found):
        print(line, file=sys.stderr)
    wired = sum(not problems for _, problems in found)
    print(f"{wired}/{len(found)} agents wired")
    return 0 if wired == len(found) else 1


def _check_wiring(environ: Mapping[str, str]) -> int:
    url = ""
    try:
        settings = WorkerSettings.from_env(environ)
        url = settings.redis_url
        found = asyncio.run(check_on_redis(load_registry(settings.agents), url))
    except (SettingsError, RegistrationError, RedisError) as error:
        print(words_of(error, url), file=sys.stderr)
        return 1
    return report(found)


def _check_all(environ: Mapping[str, str]) -> int:
    wait = Environment(environ).number("REDIS_WAIT_SECONDS", 30, high=600)
    deadline = threading.Timer(wait + _DEADLINE_SECONDS, _give_up)
    deadline.daemon = True
    deadline.start()
    wrong = 0
    for finding in check_all(environ, look(environ)):
        print(finding, flush=True)
        wrong += finding.state == "wrong"
    deadline.cancel()
    if wrong:
        print(f"{wrong} wrong: not ready to start.", file=sys.stderr)
    return 1 if wrong else 0


def _give_up() -> None:
    print("The check did not come to an end; what it hangs on comes after its last line.", file=sys.stderr, flush=True)
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
