"""How every process of the system logs: to stdout, one JSON object per line, or plain lines on a terminal.

The message is constant text and the facts are `extra` fields, so that the lines of web and worker about one run are
found by its `run_id`. What is done for a run is bound to it (`bound`), and then every line has the run's facts, those
of libraries and of a team's own tools too.

Prompts, answers, arguments and file names are in no line above DEBUG. So an exception is written without its words:
those of a tool or of a library may quote what it was given.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
import traceback
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import Context, ContextVar
from types import MappingProxyType
from typing import Any

from worker.contract.environment import Environment, Secret

#: What every record has; anything else came in through `extra`.
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "facts"}
_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
#: Libraries whose errors speak of connections and servers, not of what users wrote.
_TELLING_LIBRARIES = frozenset({"redis", "kombu", "amqp"})
_OMITTED = "(what it says is logged with LOG_LEVEL=debug)"
#: What is written on behalf of a run or a request; for its task and all that it starts, OS threads of tools included.
_bound: ContextVar[Mapping[str, object]] = ContextVar("bound", default=MappingProxyType({}))


def bind(**facts: object) -> None:
    """Give these facts to every line from here on, in this context, beside those that are bound already."""
    _bound.set({**_bound.get(), **facts})


def unbind() -> None:
    """Forget all facts that are bound in this context."""
    _bound.set(MappingProxyType({}))


@contextmanager
def bound(**facts: object) -> Iterator[None]:
    """Give these facts to every line that is written inside, beside those that are bound already."""
    token = _bound.set({**_bound.get(), **facts})
    try:
        yield
    finally:
        _bound.reset(token)


def bound_in(context: Context) -> Mapping[str, object]:
    """Give what is bound in another context than the current one."""
    return context.get(_bound, {})


def level_of(env: Environment) -> int:
    """Read `LOG_LEVEL`; a problem is added to the environment's."""
    name = env.text("LOG_LEVEL", "info").lower()
    if name not in _LEVELS:
        env.problems.append(f"LOG_LEVEL is {name[:40]!r}; expected {', '.join(_LEVELS)}")
    return _LEVELS.get(name, logging.INFO)


class BoundFacts(logging.Filter):
    """Puts the bound facts on each record; what a line says by itself goes before."""

    def filter(self, record: logging.LogRecord) -> bool:
        for name, value in _bound.get().items():
            if name not in vars(record):
                setattr(record, name, value)
        return True


class JsonFormatter(logging.Formatter):
    """One line of JSON per record: `at`, `level`, `logger`, `message`, the `extra` facts, and a traceback.

    Args:
        with_words: Whether exceptions are written with what they say.
    """

    def __init__(self, *, with_words: bool = False) -> None:
        super().__init__()
        self._with_words = with_words

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "at": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_facts_of(record),
        }
        if record.exc_info and record.exc_info[1]:
            line["exception"] = story_of(record.exc_info[1], with_words=self._with_words)
        return json.dumps(line, default=str)


class PlainFormatter(logging.Formatter):
    """One line for a person, with the `extra` facts behind it."""

    def __init__(self, *, with_words: bool = False) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s: %(message)s%(facts)s", datefmt="%H:%M:%S")
        self._with_words = with_words

    def format(self, record: logging.LogRecord) -> str:
        record.facts = "".join(f" {name}={value}" for name, value in _facts_of(record).items())
        return super().format(record)

    def formatException(self, ei: Any) -> str:  # noqa: N802 - the library's name
        return story_of(ei[1], with_words=self._with_words)


def configure_logs(*, level: int = logging.INFO, quiet: Iterable[str] = ()) -> None:
    """Send every log line of this process to stdout. Called once per process.

    Args:
        quiet: Loggers of libraries whose lines below WARNING are left out.
    """
    handler = logging.StreamHandler(sys.stdout)
    with_words = level <= logging.DEBUG
    is_terminal = sys.stdout.isatty()
    handler.setFormatter(PlainFormatter(with_words=with_words) if is_terminal else JsonFormatter(with_words=with_words))
    handler.addFilter(BoundFacts())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.captureWarnings(True)
    for name in quiet:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))


def write_at_once(name: str, message: str) -> None:
    """Write a line from a signal handler: the interrupted code may hold the locks of logging and of the stream."""
    record = logging.makeLogRecord({"name": name, "levelname": "INFO", "levelno": logging.INFO, "msg": message})
    formatter = PlainFormatter() if sys.stdout.isatty() else JsonFormatter()
    with suppress(OSError):
        os.write(sys.stdout.fileno(), f"{formatter.format(record)}\n".encode())


def story_of(error: BaseException, *, with_words: bool) -> str:
    """Write an exception with its places in the code, and with what led to it; its words only if asked for."""
    if with_words:
        return "".join(traceback.format_exception(error)).rstrip()
    parts: list[str] = []
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        places = "".join(traceback.format_tb(current.__traceback__))
        parts.append(f"Traceback (most recent call last):\n{places}{_named(current)}")
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
    # The first cause first, as Python has it.
    return "\n\nThis led to:\n\n".join(reversed(parts))


def _named(error: BaseException) -> str:
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    is_telling = isinstance(error, ConnectionError) or kind.__module__.partition(".")[0] in _TELLING_LIBRARIES
    return f"{name}: {error if is_telling else _OMITTED}"


def _facts_of(record: logging.LogRecord) -> dict[str, Any]:
    return {name: _shown(value) for name, value in vars(record).items() if name not in _STANDARD}


def _shown(value: Any) -> Any:
    """JSON would write a `Secret` as the text that it is."""
    if isinstance(value, Secret):
        return str(value)
    if isinstance(value, Mapping):
        return {_shown(name): _shown(one) for name, one in value.items()}
    return [_shown(one) for one in value] if isinstance(value, (list, tuple)) else value
