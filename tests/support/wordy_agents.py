"""Agents that put what they are asked into everything that could end in a log line, and a team's own log lines."""

from __future__ import annotations

import asyncio
import logging
import threading

from worker.agent.context import AgentContext
from worker.agent.definition import agent
from worker.agent.errors import ToolError
from worker.agent.tool import ToolContext, tool

logger = logging.getLogger("team.tools")


@tool
def look_up(text: str) -> dict[str, str]:
    """Answer with what was asked, in an OS thread."""
    logger.info("plain tool at work")
    return {"found": text}


@tool
async def think_over(text: str) -> str:
    """Answer with what was asked, on the event loop."""
    await asyncio.to_thread(logger.info, "thread of a tool at work")
    logging.getLogger("library").warning("library at work")
    return text


@tool
def break_down(text: str) -> str:
    """Raise an error that quotes what was asked, with another one as its cause."""
    try:
        raise KeyError(text)
    except KeyError as error:
        raise ValueError(f"cannot work on {text}") from error


@tool
def complain(text: str) -> str:
    """Log an error that quotes what was asked, as libraries do."""
    try:
        raise ValueError(f"cannot work on {text}")
    except ValueError:
        logger.exception("lookup failed")
    return "no"


@tool
async def scribble(text: str) -> object:
    """Return what is not JSON."""
    return {text: object()}


@tool(timeout_seconds=0.1)
async def oversleep(text: str) -> str:
    """Take longer than allowed."""
    await asyncio.sleep(60)
    return text


@tool
async def leave_behind(ctx: ToolContext, text: str) -> str:
    """Start a task and an OS thread that fail when nobody looks."""

    async def fail() -> None:
        raise RuntimeError(f"nobody sees {text}")

    def fail_in_thread() -> None:
        raise RuntimeError(f"nobody sees {text}")

    task = asyncio.create_task(fail())
    await asyncio.sleep(0)
    del task
    thread = threading.Thread(target=fail_in_thread)
    thread.start()
    await asyncio.to_thread(thread.join)
    await ctx.progress(text, 0.5)
    return "left"


@agent(tools=[look_up, think_over, break_down, complain, scribble, oversleep, leave_behind])
async def parrot(ctx: AgentContext) -> str:
    """Calls every tool with its task, and a tool that is none with wrong arguments."""
    logger.info("agent at work")
    await ctx.think(ctx.input)
    for name in (*ctx.tools.tools, ctx.input.split()[-1]):
        try:
            await ctx.tools.call(name, text=ctx.input)
            await ctx.tools.call(name, wrong=ctx.input)
        except ToolError as error:
            await ctx.think(str(error))
    return ctx.input


@agent(tools=[look_up])
async def spiller(ctx: AgentContext) -> str:
    """Fails with what it was asked."""
    await ctx.tools.call("look_up", text=ctx.input)
    raise RuntimeError(f"cannot answer {ctx.input}")
