from __future__ import annotations

import types

import pytest

from worker.agent.context import AgentContext
from worker.agent.definition import AgentDefinition, agent, llm_agent
from worker.agent.errors import RegistrationError
from worker.agent.registry import AgentRegistry, load_registry
from worker.agent.tool import tool


def named(name: str, *, delegates: tuple[str, ...] = ()) -> AgentDefinition:
    return llm_agent(name, description="d", instructions="i", delegates=delegates)


def test_the_first_agent_is_the_default() -> None:
    assert AgentRegistry([named("one"), named("two")]).default.name == "one"


def test_two_agents_of_one_name_are_refused() -> None:
    with pytest.raises(RegistrationError, match="two agents have the name one"):
        AgentRegistry([named("one"), named("one")])


def test_a_delegate_that_is_not_registered_is_refused() -> None:
    with pytest.raises(RegistrationError, match="one delegates to nobody"):
        AgentRegistry([named("one", delegates=("nobody",))])


def test_an_empty_registry_is_refused() -> None:
    with pytest.raises(RegistrationError, match="no agent"):
        AgentRegistry([])


def test_agents_are_collected_from_modules_in_the_order_of_their_attributes(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("team_agents")
    first = named("first")
    vars(module).update(first=first, again=first, second=named("second"), other=3)
    monkeypatch.setitem(__import__("sys").modules, "team_agents", module)

    assert [definition.name for definition in load_registry(["team_agents"])] == ["first", "second"]


@pytest.mark.parametrize("module", ["no_such_module_anywhere", "json"])
def test_a_module_without_agents_is_named(module: str) -> None:
    with pytest.raises(RegistrationError, match=module):
        load_registry([module])


def test_an_agent_must_be_an_async_function_with_a_description() -> None:
    def plain(ctx: AgentContext) -> None:
        """Plain."""

    async def silent(ctx: AgentContext) -> None:
        pass

    with pytest.raises(RegistrationError, match="async"):
        agent()(plain)  # type: ignore[arg-type]
    with pytest.raises(RegistrationError, match="description"):
        agent()(silent)


def test_an_agent_with_two_tools_of_one_name_is_refused() -> None:
    @tool
    def look() -> None:
        """Look."""

    with pytest.raises(RegistrationError, match="two of its tools"):
        llm_agent("one", description="d", instructions="i", tools=[look, look])


@pytest.mark.parametrize("name", ["", "Upper", "with space", "1st", "a" * 60])
def test_a_name_that_cannot_be_typed_is_refused(name: str) -> None:
    with pytest.raises(RegistrationError, match="name"):
        named(name)
