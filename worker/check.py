"""Everything that must be right before a deploy goes on: `python -m worker check --all`.

Each part is looked at even if another one is wrong, so that all problems are seen at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence

from celery import Celery
from kombu.exceptions import KombuError
from redis.asyncio import Redis
from redis.exceptions import RedisError

from worker.agent.errors import RegistrationError
from worker.agent.registry import AgentRegistry, load_registry
from worker.contract import keys, scripts
from worker.contract.broker import Limits, sender_settings
from worker.contract.environment import Environment
from worker.contract.findings import Finding, WebSide, judge_connections
from worker.contract.obstacles import explain
from worker.contract.redis_address import place_of
from worker.contract.server import ServerFacts, warning_of
from worker.contract.starting import StartRefused
from worker.contract.trace_export import find_problem
from worker.log import RunLog
from worker.log_writer import WriterSettings
from worker.redis_client import await_redis, connect, run_script
from worker.settings import WorkerSettings
from worker.wiring import RUN_PREFIX, Wiring, check_wiring, problems_of, quick_check

_MINUTE_MS = 60_000
_WRITER = WriterSettings(worker_id="wrk_check", lease_ms=_MINUTE_MS, silence_ms=_MINUTE_MS, retention_ms=_MINUTE_MS)
_BROKER_SECONDS = 5.0
#: What follows when Redis cannot be used.
_UNCHECKED = "not checked, since Redis cannot be used"


def check_all(environ: Mapping[str, str], web: WebSide) -> Iterator[Finding]:
    """Look at everything, one finding after another. Blocks; with a server that is away for REDIS_WAIT_SECONDS."""
    env = Environment(environ)
    settings = WorkerSettings.read(env)
    problems = list(dict.fromkeys([*web.problems, *env.problems]))
    yield from [Finding("wrong", problem) for problem in problems] or [Finding("ok", "settings of web and worker")]
    # A process would only warn: a run is worth more than its trace.
    if problem := find_problem(environ):
        yield Finding("wrong", f"traces: {problem}")
    facts: ServerFacts | None = None
    if settings.redis_url:
        try:
            facts = await_redis(settings)
        except StartRefused as refused:
            yield Finding("wrong", str(refused))
    if facts:
        yield from _describe(facts, settings, web)
        yield asyncio.run(_check_scripts(settings.redis_url))
    else:
        yield Finding("note", f"scripts: {_UNCHECKED}")
    yield from _check_agents(settings, is_redis_fit=facts is not None)
    yield _check_broker(settings, is_redis_fit=facts is not None)


async def check_on_redis(registry: AgentRegistry, redis_url: str) -> list[Wiring]:
    """Check the wiring of every agent against the real log; leaves nothing behind.

    Raises:
        redis.exceptions.RedisError: Redis cannot be used.
    """
    client = connect(redis_url)
    created: list[str] = []

    async def create(run_id: str, agent: str) -> None:
        created.append(run_id)
        call = scripts.create(run_id=run_id, thread_id="thr_check", user_id="usr_check", agent=agent, message="check")
        await run_script(client, call)

    try:
        log = RunLog(client, _WRITER, ring=_ring_nobody)
        return await check_wiring(registry, log, create)
    finally:
        await _forget(client, created)
        await client.aclose()


async def _forget(client: Redis, run_ids: Sequence[str]) -> None:
    """Take away what these runs have left, also from the lists that an operator looks at."""
    for run_id in run_ids:
        await client.delete(*keys.whole_run(run_id))
        await client.zrem(keys.RUNS_UNSEEN, run_id)
        await client.zrem(keys.RUNS_FAILED, run_id)
    if run_ids:
        ended = [entry async for entry, _ in client.zscan_iter(keys.RUNS_ENDED, match=f"{RUN_PREFIX}*", count=1000)]
        if ended:
            await client.zrem(keys.RUNS_ENDED, *ended)


async def _ring_nobody(run_id: str, queue: str, agent: str) -> None:
    """No other run waits for one of these."""


def words_of(error: Exception, url: str) -> str:
    """Say what went wrong; what Redis's client says, in our words."""
    return explain(error, url).words if isinstance(error, RedisError) else str(error)


def _describe(facts: ServerFacts, settings: WorkerSettings, web: WebSide) -> Iterator[Finding]:
    policy = facts.eviction_policy or "unknown"
    yield Finding("ok", f"Redis {facts.version} at {place_of(settings.redis_url)}: maxmemory-policy {policy}")
    warning = warning_of(facts)
    yield Finding("note", warning) if warning else Finding("ok", "persistence: append-only file")
    yield judge_connections(facts.max_clients, web.processes + 1, settings.redis_connections)


async def _check_scripts(url: str) -> Finding:
    """Load every script, so that a server that does not take one is found before a run needs it."""
    client = connect(url)
    names = scripts.names()
    try:
        shas = {name: await client.script_load(scripts.load(name).source) for name in names}
    except RedisError as error:
        return Finding("wrong", f"scripts: {explain(error, url).words}")
    finally:
        await client.aclose()
    if strange := [name for name, sha in shas.items() if _text(sha) != scripts.load(name).sha]:
        return Finding("wrong", f"scripts: the server keeps {', '.join(strange)} under another name than SHA-1")
    return Finding("ok", f"scripts: {len(names)} loaded")


def _text(sha: str | bytes) -> str:
    return sha if isinstance(sha, str) else sha.decode()


def _check_agents(settings: WorkerSettings, *, is_redis_fit: bool) -> Iterator[Finding]:
    try:
        registry = load_registry(settings.agents)
        found = asyncio.run(check_on_redis(registry, settings.redis_url) if is_redis_fit else quick_check(registry))
    except (RegistrationError, RedisError) as error:
        yield Finding("wrong", f"agents: {words_of(error, settings.redis_url)}")
        return
    yield from (Finding("wrong", line) for line in problems_of(found))
    wired = sum(not problems for _, problems in found)
    yield Finding("ok" if wired == len(found) else "wrong", f"{wired}/{len(found)} agents wired")


def _check_broker(settings: WorkerSettings, *, is_redis_fit: bool) -> Finding:
    """Open a connection as the processes do, with Celery."""
    url = settings.broker_url
    is_redis = url == settings.redis_url
    if is_redis and not is_redis_fit:
        return Finding("note", f"broker: {_UNCHECKED}")
    app = Celery("outloud-check", set_as_current=False)
    app.config_from_object("celeryconfig")
    app.conf.update(sender_settings(url, Limits(connect_seconds=_BROKER_SECONDS, command_seconds=_BROKER_SECONDS)))
    with app.connection_for_write() as connection:
        errors = (*connection.connection_errors, *connection.channel_errors, KombuError, OSError)
        try:
            connection.ensure_connection(max_retries=1, interval_start=0, interval_step=0, timeout=_BROKER_SECONDS)
        except errors as error:
            setting = "REDIS_URL" if is_redis else "BROKER_URL"
            return Finding("wrong", explain(error, url, what="The broker", setting=setting).words)
    return Finding("ok", f"broker at {place_of(url)}")
