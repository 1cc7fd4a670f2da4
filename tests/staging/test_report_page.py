"""The report says what held and what did not, in words that no process can turn into markup."""

from __future__ import annotations

from pathlib import Path

from tests.staging.report.model import Check, Figure, Output, Picture, Report
from tests.staging.report.page import render, write_page

HOSTILE = "<script>alert('x')</script>"


def passed(statement: str = "it holds") -> Check:
    return Check("At any address", statement, "passed", 1.0)


def test_a_session_in_which_everything_holds_has_passed() -> None:
    page = render(Report(checks=[passed()]))

    assert "<title>Staging check: passed</title>" in page


def test_a_session_without_checks_has_not_passed() -> None:
    assert "<title>Staging check: failed</title>" in render(Report())


def test_a_session_that_ended_early_says_why_and_has_not_passed() -> None:
    page = render(Report(checks=[passed()], problem="worker.2 is missing: it ended."))

    assert "<title>Staging check: failed</title>" in page
    assert "worker.2 is missing: it ended." in page


def test_what_does_not_hold_is_shown_with_its_reason() -> None:
    page = render(Report(checks=[passed(), Check("On the platform", "a deploy", "failed", 2.0, "3 is not 4")]))

    assert "2 checks, 1 failed" in page
    assert "3 is not 4" in page


def test_nothing_that_comes_from_elsewhere_is_markup(tmp_path: Path) -> None:
    report = Report(
        address=HOSTILE,
        problem=HOSTILE,
        deployed=[Figure(HOSTILE, HOSTILE, HOSTILE)],
        checks=[Check(HOSTILE, HOSTILE, "failed", 0.0, HOSTILE)],
        pictures=[Picture(f"a ' quote {HOSTILE}", b"x")],
        outputs=[Output(HOSTILE, HOSTILE)],
    )

    write_page(report, tmp_path / "folder" / "report.html")

    page = (tmp_path / "folder" / "report.html").read_text()
    assert "<script" not in page
    assert "alt='a &#x27; quote" in page


def test_a_later_figure_takes_the_place_of_an_earlier_one() -> None:
    report = Report()
    report.figure("Runs", 1)
    report.figure("Runs", 2)

    assert report.figures == [Figure("Runs", "2", "")]
