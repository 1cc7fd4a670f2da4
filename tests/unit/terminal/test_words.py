"""The terminal says what the page says."""

from __future__ import annotations

import json
import subprocess
from functools import cache
from typing import Any

import pytest

from tests.support.environment import ROOT
from tests.support.node import NODE
from web.terminal import formats, results, words
from worker.contract import codec
from worker.contract.errors import FailureCode
from worker.contract.events import Failure

NUMBERS = [0, 7, 99, 100, 949, 950, 9_949, 9_950, 12_345, 59_499, 59_500, 60_000, 65_000, 185_000, 3_600_000]
SIZES = [0, 7, 999, 1_000, 1_550, 9_949, 65_536, 5_000_002, 3_200_000_000]
TEXTS = ["# A\n\n**b** `c`", "| a | b |\n|---|---:|\n| 1 | 2 |", "  two\n lines ", "plain", "a ### b"]
RESULTS: list[Any] = [
    None,
    "text",
    "long " * 40,
    397.8,
    1234567,
    True,
    [1, 2],
    {"kind": "table", "columns": ["a"], "rows": [[1]], "total_rows": 9},
    {"kind": "table", "columns": "none", "rows": {}},
    {"kind": "chart", "chart": "bar", "title": "", "labels": ["a"], "series": [{"name": "s", "values": [1]}]},
    {"deleted": True},
    {"a": 1, "b": 2, "c": 3, "d": 4},
    {"x": {"y": 1}},
    {"expression": "1+1", "result": 2},
    {"name": "n", "rows": 3},
]
FAILURES = [
    Failure(code=code, message=message)
    for code in ("tool_error", "model_auth", "new_code")
    for message in ("", "Something else.", "The tool failed: badly", "The model provider refused the key. Check it.")
]


@cache
def page() -> dict[str, Any]:
    """What the page's own modules say, asked by running them."""
    script = f"""
    import * as words from "{ROOT.as_uri()}/web/static/js/words.js";
    import * as format from "{ROOT.as_uri()}/web/static/js/helpers/format.js";
    globalThis.document = {{createElement: () => ({{}})}};
    const told = {{
      failures: words.FAILURES, calls: words.CALL_STATES, tools: words.TOOL_STATES, decisions: words.DECISIONS,
      durations: {json.dumps(NUMBERS)}.map(format.formatDuration),
      sizes: {json.dumps(SIZES)}.map(format.formatBytes),
      lines: {json.dumps(TEXTS)}.map(format.plainLine),
      short: {json.dumps(TEXTS)}.map((text) => format.shorten(text, 6)),
      errors: {codec.encode(FAILURES).decode()}.map(words.failureWords),
    }};
    const {{ digest }} = await import("{ROOT.as_uri()}/web/static/js/views/result.js");
    told.digests = {json.dumps(RESULTS)}.map((value) => digest(value));
    console.log(JSON.stringify(told));
    """
    command = [str(NODE), "--input-type=module", "--eval", script]
    environ = {"LANG": "en_US.UTF-8", "LC_ALL": "en_US.UTF-8"}
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (words.FAILURES, "failures"),
        (words.CALL_STATES, "calls"),
        (words.TOOL_STATES, "tools"),
        (words.DECISIONS, "decisions"),
    ],
)
def test_the_tables_are_the_page_s(ours: dict[str, str], theirs: str) -> None:
    assert ours == page()[theirs]


def test_every_failure_code_has_words() -> None:
    assert set(words.FAILURES) == set(FailureCode)


def test_durations_sizes_and_lines_are_written_as_on_the_page() -> None:
    assert [formats.format_duration(number) for number in NUMBERS] == page()["durations"]
    assert [formats.format_bytes(size) for size in SIZES] == page()["sizes"]
    assert [formats.plain_line(text) for text in TEXTS] == page()["lines"]
    assert [formats.shorten(text, 6) for text in TEXTS] == page()["short"]


def test_results_are_summed_up_as_on_the_page() -> None:
    assert [results.digest(value) for value in RESULTS] == page()["digests"]


def test_failures_are_worded_as_on_the_page() -> None:
    ours = [words.failure_words(failure)._asdict() for failure in FAILURES]

    assert ours == page()["errors"]
