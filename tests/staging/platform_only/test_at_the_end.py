"""What the session came to, when everything else is over."""

from __future__ import annotations

from tests.staging.platform.platform import Platform
from tests.staging.report.model import Report


def test_the_redis_plan_was_large_enough_at_any_time(platform: Platform, report: Report) -> None:
    counted = platform.connections

    report.figure("Connections to Redis", f"{counted.peak} of {counted.limit}", "most at one time, in a deploy")
    report.figure("Connections of one formation", f"{counted.peak_of_one}", "most at one time, outside of deploys")
    assert counted.refused == 0
    assert counted.peak <= counted.limit


def test_every_error_of_a_process_was_caught_and_logged(platform: Platform) -> None:
    outputs = {file.name: file.read_text(errors="replace").splitlines() for file in sorted(platform.logs.iterdir())}

    assert [name for name, lines in outputs.items() if any(line.startswith("Traceback") for line in lines)] == []


def test_every_process_still_runs(platform: Platform, report: Report) -> None:
    platform.watch.look()

    assert [end.words for end in platform.watch.ends] == []
    runs = platform.count_runs()
    report.figure("Runs", runs, "asked for in this session")
