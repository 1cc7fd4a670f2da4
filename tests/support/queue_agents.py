"""An agent with a queue of its own, beside those of `tests.support.agents`."""

from __future__ import annotations

from tests.support.agents import note
from worker.agent.context import AgentContext
from worker.agent.definition import agent
from worker.agent.errors import ToolInterrupted


@agent(tools=[note], queue="heavy")
async def digger(ctx: AgentContext) -> str:
    """Takes as many steps as its task says, each of which leaves a line and takes a moment."""
    count, seconds = ctx.input.split()
    for step in range(int(count)):
        try:
            await ctx.tools.call("note", step=step, seconds=float(seconds))
        except ToolInterrupted:
            await ctx.say("(torn) ")
    return f"{count} spades"
