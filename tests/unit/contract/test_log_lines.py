from __future__ import annotations

import asyncio
import json
import logging
import sys

import pytest
from redis.exceptions import TimeoutError as RedisTimeoutError

from worker.contract.environment import Environment, Secret
from worker.contract.log_lines import BoundFacts, JsonFormatter, PlainFormatter, bind, bound, level_of, unbind


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


def raised(error: Exception) -> logging.LogRecord:
    made = record()
    try:
        raise error
    except type(error):
        made.exc_info = sys.exc_info()
    return made


def exception_of(made: logging.LogRecord, *, with_words: bool = False) -> str:
    return str(json.loads(JsonFormatter(with_words=with_words).format(made))["exception"])


def test_a_traceback_is_part_of_the_line_without_what_the_error_says() -> None:
    words = "what the user wrote"
    shown = exception_of(raised(RuntimeError(words)))

    assert "test_log_lines.py" in shown
    assert "RuntimeError" in shown
    assert words not in shown
    assert words not in PlainFormatter().format(raised(RuntimeError(words)))


def test_an_error_says_what_it_says_where_debug_is_asked_for() -> None:
    assert "RuntimeError: broken" in exception_of(raised(RuntimeError("broken")), with_words=True)


def test_errors_of_connections_say_what_they_say() -> None:
    assert exception_of(raised(ConnectionRefusedError("port 6379"))).endswith("ConnectionRefusedError: port 6379")
    assert exception_of(raised(RedisTimeoutError("5 s"))).endswith("redis.exceptions.TimeoutError: 5 s")
    assert "secret.txt" not in exception_of(raised(FileNotFoundError(2, "No such file", "secret.txt")))


def test_causes_are_told_first() -> None:
    error = ValueError("b")
    error.__cause__ = KeyError("a")

    assert exception_of(raised(error)).index("KeyError") < exception_of(raised(error)).index("ValueError")


def test_a_circle_of_causes_ends() -> None:
    first, second = ValueError("a"), KeyError("b")
    first.__cause__, second.__cause__ = second, first

    assert exception_of(raised(first)).count("KeyError") == 1


def with_bound_facts(**extra: str) -> dict[str, object]:
    made = record(**extra)
    BoundFacts().filter(made)
    return dict(json.loads(JsonFormatter().format(made)))


def test_bound_facts_are_on_every_line_inside_and_on_none_after() -> None:
    with bound(run_id="run_1", attempt=2), bound(thread_id="thr_1"):
        inside = with_bound_facts()
    after = with_bound_facts()

    assert (inside["run_id"], inside["attempt"], inside["thread_id"]) == ("run_1", 2, "thr_1")
    assert "run_id" not in after


def test_what_a_line_says_by_itself_goes_before_what_is_bound() -> None:
    with bound(run_id="run_1"):
        assert with_bound_facts(run_id="run_2")["run_id"] == "run_2"


async def test_what_is_bound_goes_along_into_tasks_and_os_threads() -> None:
    async def in_task() -> object:
        return with_bound_facts()["run_id"]

    with bound(run_id="run_1"):
        task = asyncio.create_task(in_task())
        in_thread = await asyncio.to_thread(lambda: with_bound_facts()["run_id"])

    assert (await task, in_thread) == ("run_1", "run_1")


def test_a_request_s_facts_are_forgotten_at_its_end() -> None:
    bind(request_id="a")
    bind(run_id="run_1")
    during = with_bound_facts()
    unbind()

    assert (during["request_id"], during["run_id"]) == ("a", "run_1")
    assert "request_id" not in with_bound_facts()


@pytest.mark.parametrize(
    ("given", "level"), [("", logging.INFO), ("DEBUG", logging.DEBUG), ("warning", logging.WARNING)]
)
def test_the_level_is_read_from_the_environment(given: str, level: int) -> None:
    assert level_of(Environment({"LOG_LEVEL": given})) == level


def test_a_wrong_level_is_a_named_problem() -> None:
    env = Environment({"LOG_LEVEL": "loud"})

    assert level_of(env) == logging.INFO
    assert env.problems == ["LOG_LEVEL is 'loud'; expected debug, info, warning, error"]


def test_a_value_that_is_not_json_is_written_as_text() -> None:
    assert json.loads(JsonFormatter().format(record(thing=object)))["thing"] == "<class 'object'>"


def test_a_plain_line_ends_with_the_facts() -> None:
    assert PlainFormatter().format(record(run_id="run_1")).endswith("web.runs: run accepted run_id=run_1")


@pytest.mark.parametrize("formatter", [JsonFormatter(), PlainFormatter()])
def test_a_secret_among_the_facts_is_written_hidden(formatter: logging.Formatter) -> None:
    secret = Secret("hush")
    line = formatter.format(record(token=secret, tokens=[secret], by_name={"a": (secret,)}, plain="seen"))

    assert "hush" not in line
    assert "seen" in line
