"""What the checker knows of `agents`, without importing the worker."""

from __future__ import annotations

#: Tools that may be begun again with the same key.
IDEMPOTENT = frozenset({"measure", "grind"})
NEEDS_APPROVAL = frozenset({"transfer"})
#: How often a run of this agent asks the model.
MODEL_REQUESTS = {"asker": 3}
#: What each answer of the model costs: input and output.
TOKENS = (11, 7)
