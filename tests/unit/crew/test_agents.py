"""The built-in agents."""

from __future__ import annotations

from worker.agent.registry import load_registry
from worker.models.playbook.playbooks import PLAYBOOKS

NAMES = ["triage", "data", "optimization", "actions", "reporting", "data_helper", "synthetic_data", "corpus_admin"]


def test_there_are_eight_and_triage_is_the_entry() -> None:
    registry = load_registry(["worker.crew.agents"])
    assert [agent.name for agent in registry] == NAMES
    assert registry.default.name == "triage"


def test_only_triage_delegates_and_may_ask_all_others() -> None:
    registry = load_registry(["worker.crew.agents"])
    assert set(registry["triage"].delegates) == set(NAMES) - {"triage"}
    assert all(not agent.delegates for agent in registry if agent.name != "triage")


def test_every_agent_has_tools_of_its_own_and_rules_for_the_offline_model() -> None:
    assert all(agent.tools for agent in load_registry(["worker.crew.agents"]))
    assert set(PLAYBOOKS) == set(NAMES)
