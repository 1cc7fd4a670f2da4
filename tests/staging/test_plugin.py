"""What a test came to is what the report says of it."""

from __future__ import annotations

from typing import Literal

import pytest

from tests.staging.plugin import StagingPlugin
from tests.staging.report.model import Report
from tests.staging.target import Target

NODE = "tests/staging/anywhere/test_page.py::test_it_fits_a_phone"


def told(**outcomes: Literal["passed", "failed", "skipped"]) -> list[tuple[str, str]]:
    """Outcomes of the phases of one test, and what the report makes of them."""
    report = Report()
    plugin = StagingPlugin(Target("http://127.0.0.1:1", None), None, report)
    for phase in ("setup", "call", "teardown"):
        if phase in outcomes:
            plugin.pytest_runtest_logreport(
                pytest.TestReport(NODE, (NODE, 1, ""), {}, outcomes[phase], "a reason", phase)
            )
    return [(check.statement, check.outcome) for check in report.checks]


def test_a_test_that_passes_is_one_statement_that_holds() -> None:
    assert told(setup="passed", call="passed", teardown="passed") == [("it fits a phone", "passed")]


def test_a_test_that_fails_does_not_hold() -> None:
    assert told(setup="passed", call="failed", teardown="passed") == [("it fits a phone", "failed")]


def test_a_test_that_was_skipped_has_proved_nothing() -> None:
    assert told(setup="skipped", teardown="passed") == [("it fits a phone", "failed")]
    assert told(setup="passed", call="skipped", teardown="passed") == [("it fits a phone", "failed")]
