"""What the web asks of a worker: task names, their arguments, and the queue they go to.

A message is a doorbell: it says "look at run R" and nothing else. The run's record is the truth, so a message may be
lost or come twice without harm.
"""

from __future__ import annotations

import re

#: Celery task `execute_run(run_id: str)`.
EXECUTE_RUN = "outloud.execute_run"

#: As agents and the setting QUEUES name it; where an agent names none, its runs go here.
DEFAULT_QUEUE_NAME = "default"
#: Letters, digits and dots, so that a name is good in any broker and in a list with commas.
_QUEUE_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.]{0,46}[A-Za-z0-9])?")
#: On a broker that is also the store, a queue is a key: this keeps it apart from all others.
_PREFIX = "agent."


def is_queue_name(name: str) -> bool:
    """Whether agents may name a queue so."""
    return _QUEUE_NAME.fullmatch(name) is not None


def broker_queue(name: str) -> str:
    """Give the broker's name of a queue; an empty name, as in records of older versions, is the default queue's."""
    return _PREFIX + (name or DEFAULT_QUEUE_NAME)


DEFAULT_QUEUE = broker_queue(DEFAULT_QUEUE_NAME)
