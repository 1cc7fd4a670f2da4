"""Agents whose tools count their own calls; `agents_facts` is what the checker knows of them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from tests.faults.counting import counted
from worker.agent.context import AgentContext
from worker.agent.definition import agent, llm_agent
from worker.agent.errors import ToolError
from worker.agent.tool import ToolContext, tool

#: The attempt that works in this context; tools are not told.
_attempt: ContextVar[int] = ContextVar("attempt", default=0)

#: What `quick_check` gives every agent at the start of a worker, which must not take long.
_CHECK = "check"
_STEPS = 8


@tool(idempotent=True)
async def measure(ctx: ToolContext, step: int, seconds: float = 0.15) -> int:
    """Measure something, as often as one likes."""
    with _counted(ctx, "measure"):
        await asyncio.sleep(seconds)
    return step * 7


@tool
async def send(ctx: ToolContext, step: int, seconds: float = 0.15) -> str:
    """Send something, which cannot be taken back."""
    with _counted(ctx, "send"):
        await ctx.progress("on its way", 0.5)
        await asyncio.sleep(seconds)
    return f"sent {step}"


@tool(idempotent=True)
def grind(ctx: ToolContext, step: int, seconds: float = 0.15) -> int:
    """Grind something, in an OS thread."""
    with _counted(ctx, "grind"):
        time.sleep(seconds)
    return step


@tool(requires_approval=True)
async def transfer(ctx: ToolContext, step: int) -> str:
    """Transfer something, if a person says yes."""
    with _counted(ctx, "transfer"):
        await asyncio.sleep(0.1)
    return f"transferred {step}"


@agent(tools=[measure, send, grind])
async def sequence(ctx: AgentContext) -> str:
    """Calls eight tools, one after another, and says so."""
    _begin(ctx)
    done = 0
    for step in range(1, _STEPS + 1):
        await ctx.say(f"Step {step}. ")
        done += await _try(ctx, ("measure", "send", "grind")[step % 3], step)
    return f"{done} of {_STEPS}"


@agent(tools=[measure, send, grind])
async def crowd(ctx: AgentContext) -> str:
    """Calls tools side by side, twice."""
    _begin(ctx)
    names = ("measure", "send", "grind", "measure")
    first = await asyncio.gather(*(_try(ctx, name, step, 0.1 * step) for step, name in enumerate(names, 1)))
    await ctx.think("Once more.")
    second = await asyncio.gather(*(_try(ctx, name, step, 0.2) for step, name in enumerate(names, 5)))
    return f"{sum(first) + sum(second)} of {2 * len(names)}"


@agent(tools=[measure], delegates=["helper"])
async def boss(ctx: AgentContext) -> str:
    """Lets another agent help, twice, with work of its own before and between."""
    _begin(ctx)
    done = await _try(ctx, "measure", 1)
    await ctx.say("I ask. ")
    first = await ctx.delegate("helper", "first")
    done += await _try(ctx, "measure", 2)
    second = await ctx.delegate("helper", "second")
    return f"{done}, {first}, {second}"


@agent(tools=[send, measure])
async def helper(ctx: AgentContext) -> str:
    """Does three things for another agent."""
    done = 0
    for step, name in enumerate(("send", "measure", "send"), 1):
        done += await _try(ctx, name, step)
        await ctx.say(f"{ctx.input} {step}. ")
    return f"helped with {done}"


@agent(delegates=["thinker"])
async def asker(ctx: AgentContext) -> str:
    """Asks an agent that a model drives."""
    _begin(ctx)
    return str(await ctx.delegate("thinker", ctx.input))


thinker = llm_agent(
    "thinker",
    description="Does what a model says.",
    instructions="Use your tools, then answer.",
    tools=[measure, send],
)


@agent(tools=[measure])
async def talker(ctx: AgentContext) -> None:
    """Says many small things, and measures now and then."""
    _begin(ctx)
    for step in range(1, 61):
        await ctx.say(f"{step} ")
        if step % 20 == 0:
            await _try(ctx, "measure", step, 0.05)
        if ctx.input != _CHECK:
            await asyncio.sleep(0.04)


@agent(tools=[measure, transfer])
async def careful(ctx: AgentContext) -> str:
    """Asks a person before it does the one thing that cannot be undone."""
    _begin(ctx)
    done = await _try(ctx, "measure", 1)
    done += await _try(ctx, "transfer", 2)
    done += await _try(ctx, "measure", 3)
    return f"{done} of 3"


def _begin(ctx: AgentContext) -> None:
    _attempt.set(ctx.run.attempt)


async def _try(ctx: AgentContext, name: str, step: int, seconds: float = 0.15) -> int:
    """1 if the tool ended well, else 0: an interrupted call or a no is an answer, too."""
    arguments = {"step": step} if name == "transfer" else {"step": step, "seconds": seconds}
    try:
        await ctx.tools.call(name, **arguments)
    except ToolError as error:
        await ctx.think(str(error))
        return 0
    return 1


@contextmanager
def _counted(ctx: ToolContext, name: str) -> Iterator[None]:
    key, attempt = ctx.idempotency_key, _attempt.get()
    with counted(run_id=ctx.run_id, call_id=ctx.call_id, key=key, attempt=attempt, tool=name):
        yield
