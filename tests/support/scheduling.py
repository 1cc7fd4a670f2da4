"""Which tests run side by side under `pytest -n 2`."""

from __future__ import annotations

from xdist.scheduler import LoadScopeScheduling

#: Folders of tests that start whole systems or browsers, in chains that take about the same time.
CHAINS = {"browser": "users", "e2e": "users", "staging": "users", "faults": "faults"}


class ByWeight(LoadScopeScheduling):  # type: ignore[misc]
    """Heavy tests run in two chains, so that no more than two whole systems are up at once; others share the rest.

    Tests of one file stay together, for the sake of their fixtures.
    """

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.split("::", 1)[0]
        return next((CHAINS[folder] for folder in file.split("/") if folder in CHAINS), file)
