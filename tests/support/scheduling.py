"""Which tests run side by side under `pytest -n 2`."""

from __future__ import annotations

from xdist.scheduler import LoadScopeScheduling

#: Folders of tests that start whole systems or browsers.
HEAVY = frozenset({"browser", "e2e", "faults", "staging"})


class ByWeight(LoadScopeScheduling):  # type: ignore[misc]
    """One test process takes all heavy tests, one after another, since together they are slow; others share the rest.

    Tests of one file stay together, for the sake of their fixtures.
    """

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.split("::", 1)[0]
        return "heavy" if HEAVY.intersection(file.split("/")) else file
