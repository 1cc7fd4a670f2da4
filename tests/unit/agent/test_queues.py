"""Where the runs of an agent wait for a worker."""

from __future__ import annotations

import logging

import pytest

from worker.agent.context import AgentContext
from worker.agent.definition import AgentDefinition, agent, llm_agent
from worker.agent.errors import RegistrationError
from worker.agent.registry import AgentRegistry
from worker.app import choose_queues
from worker.contract.commands import DEFAULT_QUEUE, broker_queue


def named(name: str, queue: str = "default") -> AgentDefinition:
    return llm_agent(name, description="d", instructions="i", queue=queue)


REGISTRY = AgentRegistry([named("light"), named("slow", "heavy"), named("slower", "heavy")])


def test_agents_of_both_kinds_name_their_queue() -> None:
    @agent(queue="gpu.large")
    async def painter(ctx: AgentContext) -> None:
        """Paints."""

    assert painter.queue == "gpu.large"
    assert named("slow", "heavy").queue == "heavy"
    assert named("light").queue == "default"


@pytest.mark.parametrize("queue", ["", "a,b", "a b", "agent:1", ".a", "a.", "ä", "x" * 49])
def test_a_name_that_a_broker_or_a_list_could_misread_is_refused(queue: str) -> None:
    with pytest.raises(RegistrationError, match="queue"):
        named("slow", queue)


def test_the_catalogue_tells_the_web_of_queues() -> None:
    assert [info.queue for info in REGISTRY.describe()] == ["default", "heavy", "heavy"]


def test_a_worker_takes_all_queues_of_its_agents_and_the_default_one() -> None:
    assert choose_queues(REGISTRY, ()) == ("default", "heavy")
    assert choose_queues(AgentRegistry([named("slow", "heavy")]), ()) == ("default", "heavy")


def test_a_worker_takes_only_the_queues_that_it_is_told(caplog: pytest.LogCaptureFixture) -> None:
    assert choose_queues(REGISTRY, ("heavy",)) == ("heavy",)
    assert not caplog.records


def test_an_old_queue_beside_one_of_now_is_taken_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert choose_queues(REGISTRY, ("heavy", "old")) == ("heavy", "old")

    assert "no agent has the queue old" in caplog.text


def test_only_queues_that_no_agent_has_are_an_error() -> None:
    with pytest.raises(RegistrationError, match="no agent has the queue havy; there are default, heavy"):
        choose_queues(REGISTRY, ("havy",))


def test_a_queue_of_any_name_meets_no_key_of_ours() -> None:
    assert broker_queue("workers") == "agent.workers"
    assert broker_queue("") == DEFAULT_QUEUE == "agent.default"
