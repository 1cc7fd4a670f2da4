"""Which script each agent follows."""

from __future__ import annotations

from collections.abc import Mapping

from worker.models.playbook.advice import actions, optimization, reporting
from worker.models.playbook.analysis import data
from worker.models.playbook.helpers import corpus_admin, data_helper, synthetic_data
from worker.models.playbook.prose import signed
from worker.models.playbook.script import Playbook, Script, Task
from worker.models.playbook.triage import triage

PLAYBOOKS: Mapping[str, Playbook] = {
    "triage": triage,
    "data": data,
    "optimization": optimization,
    "actions": actions,
    "reporting": reporting,
    "data_helper": data_helper,
    "synthetic_data": synthetic_data,
    "corpus_admin": corpus_admin,
}


def unknown_agent(_task: Task) -> Script:
    """The script of an agent that is not one of the built-in ones."""
    return signed("This agent needs a real model: the built-in offline model has rules for the built-in agents only.")
    yield  # makes this a script like the others
