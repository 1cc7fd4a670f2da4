"""What the web asks of a worker: task names, their arguments, and the queue they go to.

A message is a doorbell: it says "look at run R" and nothing else. The run's record is the truth, so a message may be
lost or come twice without harm.
"""

from __future__ import annotations

#: Celery task `execute_run(run_id: str)`.
EXECUTE_RUN = "outloud.execute_run"

DEFAULT_QUEUE = "agent.default"
