"""The processes that `make run` starts: shown, watched, and ended with all their children."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest

from tests.support.waiting import wait_until
from worker.local.processes import Processes, read_procfile


@pytest.fixture
def output() -> StringIO:
    return StringIO()


@pytest.fixture
def processes(tmp_path: Path, output: StringIO) -> Iterator[Processes]:
    started = Processes(dict(os.environ), tmp_path, output)
    yield started
    for name in ("one", "other"):
        started.stop(name, seconds=0, in_a_hurry=lambda: True)
    started.close()


def test_the_procfile_is_read_in_its_order(tmp_path: Path) -> None:
    file = tmp_path / "Procfile"
    file.write_text('web: gunicorn "a:b()" --config c.py\nworker: celery -A d\n')

    assert list(read_procfile(file).items()) == [("web", 'gunicorn "a:b()" --config c.py'), ("worker", "celery -A d")]


def test_each_line_is_shown_under_the_name_of_its_process(processes: Processes, output: StringIO) -> None:
    processes.start("one", "echo from one")
    processes.start("other", "echo from the other >&2")
    wait_until(lambda: len(processes.ended()) == 2, what="both have ended")

    lines = [line.split(" ", 1)[1] for line in output.getvalue().splitlines()]
    assert sorted(lines) == ["one | from one", "other | from the other"]


def test_an_end_is_noticed_with_its_exit_code(processes: Processes) -> None:
    processes.start("one", "exit 3")
    processes.start("other", "sleep 60")

    wait_until(processes.ended)
    assert processes.ended() == {"one": 3}


def test_stopping_reaches_children_and_lets_them_finish(processes: Processes, tmp_path: Path) -> None:
    processes.start("one", "trap 'echo finished > result; exit 0' TERM; touch up; while :; do sleep 0.05; done")
    wait_until((tmp_path / "up").exists)

    processes.stop("one", seconds=10, in_a_hurry=lambda: False)

    assert processes.ended() == {"one": 0}
    assert (tmp_path / "result").read_text() == "finished\n"


def test_a_process_that_will_not_end_is_killed_after_its_time(processes: Processes, tmp_path: Path) -> None:
    processes.start("one", "trap '' TERM; touch up; while :; do sleep 0.05; done")
    wait_until((tmp_path / "up").exists)

    processes.stop("one", seconds=0.2, in_a_hurry=lambda: False)

    assert processes.ended() == {"one": -9}


def test_in_a_hurry_nobody_waits(processes: Processes, tmp_path: Path) -> None:
    processes.start("one", "trap '' TERM; touch up; while :; do sleep 0.05; done")
    wait_until((tmp_path / "up").exists)
    begin = time.monotonic()

    processes.stop("one", seconds=60, in_a_hurry=lambda: True)

    assert time.monotonic() - begin < 10
    assert processes.ended() == {"one": -9}
