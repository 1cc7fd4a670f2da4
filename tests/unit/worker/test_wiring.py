"""The wiring check must pass for wired agents and must fail for each way around the engine."""

from __future__ import annotations

import pytest

from worker.__main__ import report
from worker.agent.context import AgentContext
from worker.agent.definition import AgentDefinition, agent, llm_agent
from worker.agent.registry import AgentRegistry
from worker.agent.tool import tool
from worker.wiring import Wiring, quick_check


@tool
async def look(where: str) -> str:
    """Look somewhere."""
    return where


async def check(*agents: AgentDefinition) -> list[Wiring]:
    return await quick_check(AgentRegistry(agents))


async def test_agents_that_use_their_tools_through_the_engine_are_wired(capsys: pytest.CaptureFixture[str]) -> None:
    @agent(tools=[look])
    async def plain(ctx: AgentContext) -> None:
        """Looks."""
        await ctx.tools.call("look", where="here")

    found = await check(plain, llm_agent("bot", description="d", instructions="i", tools=[look]))

    assert found == [Wiring("plain", []), Wiring("bot", [])]
    assert report(found) == 0
    assert capsys.readouterr().out == "2/2 agents wired\n"


async def test_an_agent_that_calls_a_tools_function_itself_is_found(capsys: pytest.CaptureFixture[str]) -> None:
    @agent(tools=[look])
    async def sneaky(ctx: AgentContext) -> None:
        """Goes around."""
        await look.function(where="here")

    found = await check(sneaky)

    assert found == [Wiring("sneaky", ["tool look ran without being shown"])]
    assert report(found) == 1
    assert "0/1 agents wired" in capsys.readouterr().out


async def test_the_tools_are_themselves_again_after_the_check() -> None:
    @agent(tools=[look])
    async def plain(ctx: AgentContext) -> None:
        """Looks."""

    await check(plain)

    assert await look.function(where="here") == "here"


async def test_a_tool_that_a_person_must_allow_is_wired_too_and_asks_again_after_the_check() -> None:
    @tool(requires_approval=True)
    async def pay(amount: int) -> str:
        """Pay."""
        return str(amount)

    found = await check(llm_agent("clerk", description="d", instructions="i", tools=[pay]))

    assert found == [Wiring("clerk", [])]
    assert pay.requires_approval


async def test_an_agent_that_fails_without_real_tools_is_wired_all_the_same() -> None:
    @agent(tools=[look])
    async def picky(ctx: AgentContext) -> str:
        """Needs a real result."""
        return str((await ctx.tools.call("look", where="here"))["missing"])

    assert await check(picky) == [Wiring("picky", [])]


async def test_a_delegates_tools_are_not_really_called_either() -> None:
    sent = []

    @tool
    async def send_mail() -> None:
        """Send a mail."""
        sent.append("mail")

    @agent(tools=[send_mail])
    async def helper(ctx: AgentContext) -> None:
        """Sends."""
        await ctx.tools.call("send_mail")

    @agent(delegates=["helper"])
    async def lead(ctx: AgentContext) -> None:
        """Lets it be sent."""
        await ctx.delegate("helper", "send")

    assert await check(lead, helper) == [Wiring("lead", []), Wiring("helper", [])]
    assert sent == []
