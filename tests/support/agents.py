"""Agents for tests of the whole system: each does one thing that must be shown right."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import Any

from worker.agent.context import AgentContext
from worker.agent.definition import agent
from worker.agent.errors import ToolError, ToolInterrupted
from worker.agent.tool import ToolContext, tool


@tool
async def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@tool
async def wait_for_ever(ctx: ToolContext) -> None:
    """Wait until stopped."""
    await ctx.progress("waiting", None)
    await asyncio.sleep(3600)


@tool(timeout_seconds=600)
def block() -> None:
    """Block an OS thread for longer than any test lasts."""
    time.sleep(600)


@tool
async def explode() -> None:
    """Raise an error."""
    raise RuntimeError("the fuse is lit")


@tool(timeout_seconds=0.2)
async def oversleep() -> None:
    """Take longer than allowed."""
    await asyncio.sleep(3600)


@tool
async def flood() -> str:
    """Return 5 MB."""
    return "x" * 5_000_000


@tool
async def scribble() -> object:
    """Return something that is not JSON."""
    return object()


@tool
async def markup() -> dict[str, Any]:
    """Return a table whose cells look like markup."""
    return {"kind": "table", "columns": ["<b>name</b>"], "rows": [["<img src=x onerror=alert(1)>"]], "total_rows": 1}


@tool
async def note(ctx: ToolContext, step: int, seconds: float) -> int:
    """Write a line into the file that COUNTER_FILE names, and take a moment."""
    _write_line(f"{ctx.run_id} {step}\n")
    await asyncio.sleep(seconds)
    return step


def _write_line(line: str) -> None:
    with Path(os.environ["COUNTER_FILE"]).open("a") as file:
        file.write(line)


@tool(requires_approval=True, editable=True)
async def shred(name: str) -> str:
    """Shred a document."""
    return f"{name} is in shreds"


@agent(tools=[add])
async def counter(ctx: AgentContext) -> None:
    """Counts aloud to the number in its task, slowly enough to be interrupted, with a tool call in between."""
    top = int(ctx.input)
    await ctx.think(f"I shall count to {top}.")
    total = 0
    for n in range(1, top + 1):
        await ctx.say(f"{n} ")
        if n % 10 == 0:
            total = await ctx.tools.call("add", a=total, b=10)
        await asyncio.sleep(0.03)
    await ctx.say("done")


@agent(tools=[add])
async def quick(ctx: AgentContext) -> str:
    """Answers at once, with one thought and one tool call."""
    await ctx.think("easy")
    return f"It is {await ctx.tools.call('add', a=1, b=2)}."


@agent(tools=[wait_for_ever])
async def waiter(ctx: AgentContext) -> None:
    """Says something and then waits in a tool."""
    await ctx.say("I wait. ")
    await ctx.tools.call("wait_for_ever")


@agent(tools=[block])
async def blocked(ctx: AgentContext) -> None:
    """Waits in a tool that nothing can interrupt."""
    await ctx.tools.call("block")


@agent(tools=[explode, oversleep, flood, scribble])
async def clumsy(ctx: AgentContext) -> str:
    """Calls every tool that goes wrong, one after another, and carries on."""
    for name in ctx.tools.tools:
        try:
            await ctx.tools.call(name)
        except ToolError as error:
            await ctx.think(f"{name}: {error}")
    return "all of them"


@agent()
async def fragile(ctx: AgentContext) -> None:
    """Fails."""
    await ctx.say("I try … ")
    raise RuntimeError("nothing works today")


@agent(delegates=["quick", "fragile"])
async def boss(ctx: AgentContext) -> str:
    """Asks another agent."""
    return f"I was told: {await ctx.delegate('quick', 'add, please')}"


@agent(tools=[shred])
async def shredder(ctx: AgentContext) -> str:
    """Shreds the document that its task names, if it may."""
    await ctx.say("I would shred it. ")
    try:
        return f"Done: {await ctx.tools.call('shred', name=ctx.input)}."
    except ToolError as error:
        return f"Kept: {error}"


@agent(delegates=["shredder"])
async def janitor(ctx: AgentContext) -> str:
    """Lets another agent shred."""
    return f"I was told: {await ctx.delegate('shredder', ctx.input)}"


@agent(tools=[note])
async def walker(ctx: AgentContext) -> str:
    """Takes as many steps as its task says, each of which leaves a line; goes on behind one whose end is not known."""
    count, seconds = ctx.input.split()
    for step in range(int(count)):
        await ctx.say(f"step {step} ")
        try:
            await ctx.tools.call("note", step=step, seconds=float(seconds))
        except ToolInterrupted:
            await ctx.say("(torn) ")
    return f"{count} steps"


@agent(tools=[markup])
async def vandal(ctx: AgentContext) -> str:
    """Answers with markup that must stay text."""
    await ctx.tools.call("markup")
    await ctx.think("<script>window.hacked = 1</script>")
    link = "[link](javascript:window.hacked=1)"
    return f"<img src=x onerror='window.hacked=1'> **bold** {link} <script>window.hacked=1</script>"
