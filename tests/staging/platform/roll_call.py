"""Every part is there and does its share: each web process has answered a request, each worker has taken a run."""

from __future__ import annotations

import time

import httpx

from tests.staging.platform.errors import PartMissing
from tests.staging.platform.parts import ROUTER
from tests.staging.platform.platform import Platform
from tests.support.client import Client
from tests.support.waiting import scaled

_PATIENCE_SECONDS = 20.0
_REQUESTS = 4
_RUNS = 4


def call_the_roll(platform: Platform) -> None:
    """Let every part do something.

    Raises:
        PartMissing: with the name of the first that does not.
    """
    for name in platform.plan.names:
        _is_alive(platform, name)
    _each_web_answers(platform)
    _each_worker_takes_a_run(platform)


def _is_alive(platform: Platform, name: str) -> None:
    if name.startswith(("web.", "worker.")):
        process = platform.formation.member(name).process
        if not process.is_running:
            raise PartMissing(name, f"it has ended with exit code {process.exit_code}.\n{process.tail()}")
    elif name == ROUTER and (platform.router.process is None or not platform.router.process.is_running):
        raise PartMissing(ROUTER, f"nothing answers at {platform.url}.")


def _each_web_answers(platform: Platform) -> None:
    end = time.monotonic() + scaled(_PATIENCE_SECONDS)
    webs = {member.slot: member.name for member in platform.formation.of("web")}
    with httpx.Client(base_url=platform.url, verify=platform.tls, timeout=5) as client:
        while missing := webs.keys() - platform.router.answers_by_slot().keys():
            if time.monotonic() > end:
                raise PartMissing(webs[min(missing)], "no request has reached it through the router.")
            for _ in range(_REQUESTS):
                client.get("/readyz")


def _each_worker_takes_a_run(platform: Platform) -> None:
    end = time.monotonic() + scaled(_PATIENCE_SECONDS)
    workers = {member.name: member.process for member in platform.formation.of("worker")}
    run_ids: list[str] = []
    client = Client(platform.url, tls=platform.tls)
    try:
        # A worker says in its log which runs it has had.
        while idle := [name for name, worker in workers.items() if not any(run in worker.output for run in run_ids)]:
            if time.monotonic() > end:
                raise PartMissing(idle[0], f"it has taken none of {len(run_ids)} runs.\n{workers[idle[0]].tail()}")
            asked = [client.post_run("1 0.2", agent="walker")["run_id"] for _ in range(_RUNS)]
            for run_id in asked:
                client.follow(run_id)
            run_ids += asked
    finally:
        client.close()
