"""The command line."""

from __future__ import annotations

import argparse

from worker.contract.cursor import BEGINNING, Cursor, parse_cursor
from worker.contract.errors import CursorError

_EXIT_CODES = """\
exit codes:
  0  completed            4    the server said no, or cannot be reached
  1  failed               5    waits for a person (with --no-wait)
  2  wrong usage          124  --timeout is over; the run goes on
  3  cancelled            130  Ctrl-C
"""


def parser() -> argparse.ArgumentParser:
    """Make the parser."""
    root = argparse.ArgumentParser(
        prog="outloud",
        description="Ask agents from a terminal, and see everything they do.",
        epilog=_EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = root.add_subparsers(dest="command", required=True, metavar="command")
    _add_run(commands)
    _add_tail(commands)
    _add_others(commands)
    return root


def _add_run(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    run = _command(commands, "run", "ask a question and follow the run to its end")
    run.add_argument("question", nargs="?", help="what to ask; read from the standard input if it is - or left out")
    run.add_argument("--agent", metavar="NAME", help="which agent to ask; the server's default if left out")
    run.add_argument("--thread", metavar="ID", help="go on in this conversation")
    run.add_argument("--when-busy", choices=("queue", "reject", "interrupt"), help="if the conversation has a run")
    run.add_argument("--detach", action="store_true", help="print the run's id and leave")
    _add_following(run)


def _add_tail(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    tail = _command(commands, "tail", "show a run from its beginning, and follow it to its end")
    tail.add_argument("run_id", metavar="RUN_ID")
    tail.add_argument("--after", type=_cursor, default=BEGINNING, metavar="CURSOR", help="only what came after this")
    _add_following(tail)


def _add_others(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    cancel = _command(commands, "cancel", "stop a run")
    cancel.add_argument("run_id", metavar="RUN_ID")
    approve = _command(commands, "approve", "allow, or deny, a tool call that waits for your yes")
    approve.add_argument("run_id", metavar="RUN_ID")
    approve.add_argument("call_id", metavar="CALL_ID")
    approve.add_argument("--deny", action="store_true", help="say no")
    agents = _command(commands, "agents", "list what can be asked")
    agents.add_argument("--json", action="store_true", help="as the server says it")


def _add_following(command: argparse.ArgumentParser) -> None:
    looks = command.add_mutually_exclusive_group()
    looks.add_argument("--plain", action="store_true", help="one line a step, also on a terminal")
    looks.add_argument("--json", action="store_true", help="each event as it is received, one a line")
    looks.add_argument("--quiet", action="store_true", help="only the answer")
    command.add_argument("--timeout", type=_seconds, metavar="SECONDS", help="leave after this time; the run goes on")
    command.add_argument("--no-wait", action="store_true", help="leave when the run waits for a person")


def _command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, words: str
) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=words, description=f"{words[0].upper()}{words[1:]}.")
    command.add_argument("--server", metavar="URL", help="default: OUTLOUD_SERVER, or http://127.0.0.1:8000")
    command.add_argument("--insecure", action="store_true", help="trust any certificate of the server")
    return command


def _cursor(text: str) -> Cursor:
    try:
        return parse_cursor(text)
    except CursorError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds")
    return seconds
