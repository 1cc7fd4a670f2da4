"""`python -m worker check`: proves that every registered agent is wired, against a real log.

Exit code 0: all are. 1: some are not. 2: the check could not be made.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence

from redis.exceptions import RedisError

from worker.agent.errors import RegistrationError
from worker.agent.registry import load_registry
from worker.contract import keys, scripts
from worker.contract.environment import SettingsError
from worker.log import RunLog
from worker.log_writer import WriterSettings
from worker.redis_client import connect, run_script
from worker.settings import WorkerSettings
from worker.wiring import Wiring, check_wiring

_MINUTE_MS = 60_000
_WRITER = WriterSettings(worker_id="wrk_check", lease_ms=_MINUTE_MS, silence_ms=_MINUTE_MS, retention_ms=_MINUTE_MS)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m worker", description="Tools for whoever runs a worker.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("check", help="prove that every agent's tools are shown to whoever watches")
    parser.parse_args(arguments)
    try:
        found = asyncio.run(_check(WorkerSettings.from_env(os.environ)))
    except (SettingsError, RegistrationError, RedisError) as error:
        print(error, file=sys.stderr)
        return 2
    return report(found)


def report(found: Sequence[Wiring]) -> int:
    """Print what was found; returns the exit code."""
    for agent, problems in found:
        for problem in problems:
            print(f"{agent}: {problem}", file=sys.stderr)
    wired = sum(not problems for _, problems in found)
    print(f"{wired}/{len(found)} agents wired")
    return 0 if wired == len(found) else 1


async def _check(settings: WorkerSettings) -> list[Wiring]:
    registry = load_registry(settings.agents)
    client = connect(settings.redis_url)
    created: list[str] = []

    async def create(run_id: str, agent: str) -> None:
        created.append(run_id)
        call = scripts.create(run_id=run_id, thread_id="thr_check", user_id="usr_check", agent=agent, message="check")
        await run_script(client, call)

    try:
        log = RunLog(client, _WRITER, ring=_ring_nobody)
        return await check_wiring(registry, log, create)
    finally:
        for run_id in created:
            await client.delete(keys.run(run_id), keys.log(run_id))
            await client.zrem(keys.RUNS_UNSEEN, run_id)
        await client.aclose()


async def _ring_nobody(run_id: str) -> None:
    """No other run waits for one of these."""


if __name__ == "__main__":
    sys.exit(main())
