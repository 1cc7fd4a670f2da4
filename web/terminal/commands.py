"""The commands. Each answers with its exit code and raises `TerminalError` when it cannot do what it should."""

from __future__ import annotations

import argparse
import os
from collections.abc import Awaitable, Callable

from web.terminal.activity import Situation
from web.terminal.asking import Asker, new_key
from web.terminal.attention import Attention
from web.terminal.client import Client, RunWish
from web.terminal.deciding import describe
from web.terminal.errors import ExitCode, Unusable
from web.terminal.outputs import PlainOutput
from web.terminal.results import compact
from web.terminal.settings import Settings
from web.terminal.sitting import Sitting
from web.terminal.streams import Streams
from web.terminal.text import clean
from web.terminal.words import CALL_STATES, DECISIONS
from worker.contract.catalogue import Catalogue

Command = Callable[[Client, argparse.Namespace, Streams], Awaitable[int]]


async def perform(arguments: argparse.Namespace, settings: Settings, streams: Streams) -> int:
    """Do what the command line says."""

    def warn(text: str) -> None:
        streams.err.write(f"{clean(text)}\n")

    async with Client(settings, warn) as client:
        return await _COMMANDS[arguments.command](client, arguments, streams)


async def _run(client: Client, arguments: argparse.Namespace, streams: Streams) -> int:
    wish = RunWish(
        message=_question(arguments.question, streams),
        idempotency_key=new_key(),
        agent=arguments.agent,
        thread_id=arguments.thread,
        when_busy=arguments.when_busy,
    )
    if arguments.detach:
        return await _detach(client, wish, arguments, streams)
    return await _sit(client, arguments, streams).run(wish)


async def _detach(client: Client, wish: RunWish, arguments: argparse.Namespace, streams: Streams) -> int:
    asker = Asker(client, PlainOutput(streams.out, streams.err), Situation())

    async def ask() -> int:
        started = await asker.ask(wish)
        streams.out.write(f"{started.run_id}\n")
        return ExitCode.COMPLETED

    return await Attention().give(ask(), timeout_seconds=arguments.timeout)


async def _tail(client: Client, arguments: argparse.Namespace, streams: Streams) -> int:
    return await _sit(client, arguments, streams).tail(arguments.run_id, after=arguments.after)


def _sit(client: Client, arguments: argparse.Namespace, streams: Streams) -> Sitting:
    situation = Situation()
    output = streams.output(arguments, situation, server_time=client.server_time)
    return Sitting(client, output, situation, arguments, prompt=streams.prompt(arguments))


async def _cancel(client: Client, arguments: argparse.Namespace, streams: Streams) -> int:
    answer = await client.cancel(arguments.run_id)
    words = "Stopping…" if answer.stopping else CALL_STATES.get(answer.state, answer.state)
    streams.out.write(f"{clean(words)}\n")
    return ExitCode.COMPLETED


async def _approve(client: Client, arguments: argparse.Namespace, streams: Streams) -> int:
    approval = await client.approval(arguments.run_id, arguments.call_id)
    streams.out.write("".join(f"{line}\n" for line in describe(approval)))
    decided = await client.decide(arguments.run_id, approval, "denied" if arguments.deny else "approved")
    streams.out.write(f"{clean(DECISIONS.get(decided.decision, decided.decision))}\n")
    return ExitCode.COMPLETED


async def _agents(client: Client, arguments: argparse.Namespace, streams: Streams) -> int:
    catalogue = await client.agents()
    streams.out.write(f"{compact(catalogue, indent=2)}\n" if arguments.json else _list(catalogue))
    return ExitCode.COMPLETED


def _list(catalogue: Catalogue) -> str:
    if not catalogue.agents:
        return "No worker has started yet.\n"
    width = max(len(agent.name) for agent in catalogue.agents)
    lines = [
        f"{'*' if agent.name == catalogue.default_agent else ' '} {agent.name:<{width}}  {agent.description}"
        for agent in catalogue.agents
    ]
    model = "Built-in offline model" if catalogue.offline else catalogue.model
    return clean("\n".join([*lines, "", f"* is asked unless --agent names another. Model: {model}", ""]))


def _question(text: str | None, streams: Streams) -> str:
    if text is not None and text != "-":
        # Python keeps bytes of an argument that are no text as halves of pairs, which no JSON can carry.
        return os.fsencode(text).decode(errors="replace")
    if text is None and streams.keyboard.isatty():
        raise Unusable('What is the question? outloud run "…"')
    question = streams.keyboard.read().strip()
    if not question:
        raise Unusable("The question is empty.")
    return question


_COMMANDS: dict[str, Command] = {
    "run": _run,
    "tail": _tail,
    "cancel": _cancel,
    "approve": _approve,
    "agents": _agents,
}
