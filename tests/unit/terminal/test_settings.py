"""The command line and the environment."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path

import msgspec
import pytest

from web.terminal.__main__ import main
from web.terminal.activity import Situation
from web.terminal.arguments import parser
from web.terminal.client import Client, RunWish, Started
from web.terminal.outputs import AnswerOutput, JsonOutput, PlainOutput
from web.terminal.settings import Settings
from web.terminal.streams import Streams
from web.terminal.telling import Teller
from worker.contract.environment import SettingsError


def test_the_defaults() -> None:
    settings = Settings.from_env({"HOME": "/home/ada"})

    assert settings.server == "http://127.0.0.1:8000"
    assert settings.state_dir == Path("/home/ada/.local/state/outloud")
    assert settings.verify
    assert not settings.token


def test_what_is_named_on_the_command_line_goes_before_the_environment() -> None:
    environ = {"OUTLOUD_SERVER": "https://a.example/", "OUTLOUD_TOKEN": "a-secret", "XDG_STATE_HOME": "/state"}

    assert Settings.from_env(environ).server == "https://a.example"
    assert Settings.from_env(environ, server="https://b.example/sub/").server == "https://b.example/sub"
    assert not Settings.from_env(environ, insecure=True).verify
    assert "a-secret" not in repr(Settings.from_env(environ).token)


@pytest.mark.parametrize(
    "address", ["outloud.example", "ftp://x", "http://", "http://x:0", "http://x:70000", "http://x?y", "http://u:p@x"]
)
def test_what_is_no_address_is_named(address: str) -> None:
    with pytest.raises(SettingsError, match="OUTLOUD_SERVER is"):
        Settings.from_env({"OUTLOUD_SERVER": address})


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["walk"],
        ["tail"],
        ["tail", "run_1", "--after", "x"],
        ["run", "--timeout", "0", "q"],
        ["run", "--timeout", "nan", "q"],
        ["run", "--plain", "--json", "q"],
        ["run", "--when-busy", "maybe", "q"],
    ],
)
def test_wrong_usage_exits_with_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(words)

    assert exit_.value.code == 2
    assert "usage: outloud" in capsys.readouterr().err


class Tty(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("words", "environ", "expected"),
    [
        ([], {"TERM": "dumb"}, PlainOutput),
        ([], {"TERM": "xterm", "CI": "true"}, PlainOutput),
        ([], {}, PlainOutput),
        (["--plain"], {"TERM": "xterm"}, PlainOutput),
        (["--json"], {"TERM": "xterm"}, JsonOutput),
        (["--quiet"], {"TERM": "xterm"}, AnswerOutput),
    ],
)
def test_what_a_terminal_is_shown(words: list[str], environ: dict[str, str], expected: type) -> None:
    streams = Streams(Tty(), Tty(), Tty(), environ)
    arguments = parser().parse_args(["tail", "run_1", *words])

    assert type(streams.output(arguments, Situation(), server_time=lambda: 0.0)) is expected


def test_without_rich_one_line_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "rich.console", None)
    streams = Streams(Tty(), Tty(), Tty(), {"TERM": "xterm"})

    output = streams.output(parser().parse_args(["tail", "run_1"]), Situation(), server_time=lambda: 0.0)

    assert isinstance(output, PlainOutput)
    assert streams.err.getvalue() == "For a livelier picture: pip install 'outloud[terminal]'\n"  # type: ignore[attr-defined]


def test_nobody_is_asked_where_nobody_sits(monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = parser().parse_args(["run", "q"])

    assert Streams(io.StringIO(), Tty(), Tty(), {}).prompt(arguments) is None
    assert Streams(Tty(), Tty(), io.StringIO(), {}).prompt(arguments) is None


@pytest.mark.parametrize("words", [["run", "caf\udce9"], ["run", "-"]], ids=["argument", "pipe"])
def test_a_question_with_bytes_that_are_no_text_can_be_sent(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    async def ask(client: Client, wish: RunWish) -> Started:
        asked.append(msgspec.json.decode(msgspec.json.encode(wish))["message"])
        return Started(run_id="run_1", thread_id="thr_1")

    monkeypatch.setattr(Client, "ensure_user", lambda _: asyncio.sleep(0))
    monkeypatch.setattr(Client, "start_run", ask)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"caf\xe9"), encoding="utf-8"))

    assert main([*words, "--detach"]) == 0
    assert asked == ["caf\ufffd"]


@pytest.mark.parametrize("token", ["a secret", "schlüssel", "to\nken", "to\x7fken"])
def test_a_token_that_no_header_can_carry_is_a_problem_that_does_not_show_it(token: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.from_env({"OUTLOUD_TOKEN": token})

    [problem] = caught.value.problems
    assert problem.startswith("OUTLOUD_TOKEN ")
    assert token not in problem


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("stream", [_Terminal, io.StringIO])
def test_json_moves_no_terminal_and_is_the_same_bytes_in_a_pipe(stream: type[io.StringIO]) -> None:
    out, text = stream(), "a\x9b31m\x7f\u202eb\U000e0001ü"
    raw = msgspec.json.encode({"text": text})

    JsonOutput(out, io.StringIO()).show(raw, (), Teller())

    assert msgspec.json.decode(out.getvalue()) == {"text": text}
    if out.isatty():
        assert "a\\u009b31m\\u007f\\u202eb\\udb40\\udc01ü" in out.getvalue()
    else:
        assert out.getvalue() == f"{raw.decode()}\n"
