"""Ties the session to pytest: gives tests the target, takes their outcomes, and ends when a process has ended."""

from __future__ import annotations

import inspect
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.staging.platform.platform import Platform
from tests.staging.report.model import Check, Report
from tests.staging.target import PLATFORM, REPORT, TARGET, Target

_GROUPS = {"anywhere": "At any address", "browser": "In Chromium", "platform_only": "On the platform"}
#: What a test of tests/browser asks for when it starts a system of its own; `make browser` runs those.
_OWN_SYSTEM = frozenset({"tmp_path", "tmp_path_factory", "start_system", "system", "keyless"})


class StagingPlugin:
    """For one session; `platform` is None where only an address is known."""

    def __init__(self, target: Target, platform: Platform | None, report: Report) -> None:
        self._target = target
        self._platform = platform
        self._report = report
        self._seconds: dict[str, float] = {}

    def pytest_configure(self, config: pytest.Config) -> None:
        config.stash[TARGET] = self._target
        config.stash[REPORT] = self._report
        if self._platform is not None:
            config.stash[PLATFORM] = self._platform

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Leave out what would not run against the target."""
        others = [item for item in items if _starts_its_own(item)]
        items[:] = [item for item in items if item not in others]
        config.hook.pytest_deselected(items=others)

    def pytest_runtest_teardown(self, item: pytest.Item) -> None:
        """End the session after the test in which a process has ended by itself."""
        if self._platform is not None and self._platform.watch.ends:
            item.session.shouldfail = self._platform.watch.ends[0].words

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Show what the processes said last when a test fails."""
        report = yield
        if report.failed and self._platform is not None:
            for process in self._platform.processes:
                report.sections.append((f"output of {process.name}", process.tail(8)))
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take what a test came to; one that was skipped has proved nothing."""
        self._seconds[report.nodeid] = self._seconds.get(report.nodeid, 0.0) + report.duration
        is_end = report.when == "teardown"
        if report.failed or report.skipped:
            self._add(report, str(report.longrepr))
        elif is_end and not any(check.statement == _statement(report.nodeid) for check in self._report.checks):
            self._add(report, "")

    def _add(self, report: pytest.TestReport, words: str) -> None:
        self._report.checks.append(
            Check(
                group=_group(report.nodeid),
                statement=_statement(report.nodeid),
                outcome="failed" if words else "passed",
                seconds=self._seconds[report.nodeid],
                words=words,
            )
        )


def _starts_its_own(item: pytest.Item) -> bool:
    if not isinstance(item, pytest.Function) or "browser" not in item.path.parts:
        return False
    return bool(_OWN_SYSTEM & inspect.signature(item.function).parameters.keys())


def _group(nodeid: str) -> str:
    parts = Path(nodeid.partition("::")[0]).parts
    return next((words for folder, words in _GROUPS.items() if folder in parts), "Others")


def _statement(nodeid: str) -> str:
    """The words of a test's name, which are a statement."""
    name, mark, case = nodeid.partition("::")[2].partition("[")
    words = name.removeprefix("test_").replace("_", " ")
    return f"{words} ({case.removesuffix(']')})" if mark else words
