from __future__ import annotations

import json
import logging
import sys

from worker.contract.log_lines import JsonFormatter, PlainFormatter


def record(message: str = "run accepted", **extra: object) -> logging.LogRecord:
    made = logging.LogRecord("web.runs", logging.INFO, __file__, 1, message, (), None)
    vars(made).update(extra)
    return made


def test_a_line_is_one_json_object_with_the_facts_beside_the_message() -> None:
    line = JsonFormatter().format(record(run_id="run_1", status=202, path="a\nb"))

    assert "\n" not in line
    fields = json.loads(line)
    assert (fields["message"], fields["level"], fields["logger"]) == ("run accepted", "info", "web.runs")
    assert (fields["run_id"], fields["status"]) == ("run_1", 202)
    assert fields["at"].endswith("Z")


def test_a_traceback_is_part_of_the_line() -> None:
    made = record()
    try:
        raise RuntimeError("broken")
    except RuntimeError:
        made.exc_info = sys.exc_info()

    assert "RuntimeError: broken" in json.loads(JsonFormatter().format(made))["exception"]


def test_a_value_that_is_not_json_is_written_as_text() -> None:
    assert json.loads(JsonFormatter().format(record(thing=object)))["thing"] == "<class 'object'>"


def test_a_plain_line_ends_with_the_facts() -> None:
    assert PlainFormatter().format(record(run_id="run_1")).endswith("web.runs: run accepted run_id=run_1")
