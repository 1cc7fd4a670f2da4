"""`outloud` as a person starts it, against the processes of the Procfile."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from tests.conftest import SystemFactory
from tests.support.proxy import Proxy
from tests.support.redis import connect, free_port
from tests.support.system import System, running_system
from tests.support.terminal import Done, TerminalClient
from tests.support.waiting import wait_until
from worker.contract import codec, keys

CLEAR_TO_END = "\x1b[2K"
SHOW_CURSOR = "\x1b[?25h"


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    directory = tmp_path_factory.mktemp("terminal")
    settings = {"AGENTS": "worker.crew.agents,tests.support.agents", "COUNTER_FILE": str(directory / "steps")}
    with running_system(directory, settings) as running:
        yield running


@pytest.fixture
def client(system: System, tmp_path: Path) -> TerminalClient:
    return TerminalClient(system.url, tmp_path / "state")


@pytest.fixture
def proxy(system: System) -> Iterator[Proxy]:
    """A network between the client and the server that can be troubled."""
    made = Proxy(int(system.url.rpartition(":")[2]))
    yield made
    made.close()


@pytest.fixture
def through(proxy: Proxy, tmp_path: Path) -> TerminalClient:
    return TerminalClient(f"http://127.0.0.1:{proxy.port}", tmp_path / "state")


@pytest.fixture
def store(system: System) -> Iterator[redis.Redis]:
    with connect(system.redis_url) as client:
        yield client


def log_of(store: redis.Redis, run_id: str) -> list[str]:
    """A run's log as it is stored."""
    entries: Any = store.xrange(keys.log(run_id))
    return [fields[codec.ENTRY_FIELD.decode()] for _, fields in entries]


def count_runs(store: redis.Redis) -> int:
    return sum(1 for _ in store.scan_iter(match=keys.run("run_*"), count=1000))


def run_id_of(done: Done) -> str:
    """The run's id, as it is said on the standard error."""
    return done.err.split()[0]


def test_a_question_is_answered_with_every_step(client: TerminalClient) -> None:
    done = client.run("run", "--agent", "boss", "go")

    lines = done.out.splitlines()
    assert done.code == 0
    assert lines[:5] == [
        "▸ boss · go",
        "  ▸ quick · add, please",
        "    · Thought · easy",
        "    … add · Add two numbers.",
        lines[4],
    ]
    assert lines[4].startswith("    ✓ add · 3 · ")
    assert "I was told: It is 3." in lines
    assert run_id_of(done) in lines[-1]


def test_the_built_in_crew_answers(client: TerminalClient) -> None:
    done = client.run("run", "What is 17 % of 2,340?")

    assert done.code == 0
    assert "397.8" in done.out


def test_a_late_tail_prints_what_the_run_printed(client: TerminalClient) -> None:
    live = client.run("run", "--agent", "counter", "25")
    late = client.run("tail", run_id_of(live))

    assert late.out == live.out
    assert (live.code, late.code) == (0, 0)


def test_json_lines_are_the_log_byte_for_byte(client: TerminalClient, store: redis.Redis) -> None:
    done = client.run("run", "--json", "--agent", "counter", "15")

    assert done.out.splitlines() == log_of(store, run_id_of(done))
    assert done.code == 0


def test_quiet_prints_the_answer_alone(client: TerminalClient) -> None:
    done = client.run("run", "--quiet", "--agent", "quick", "go")

    assert done == (0, "It is 3.\n", "")


def test_a_question_may_come_through_a_pipe(client: TerminalClient) -> None:
    assert client.run("run", "--quiet", "--agent", "shredder", "--no-wait", keyboard="the plan\n").code == 5
    assert client.run("run", "--quiet", "--agent", "quick", "-", keyboard="go\n").out == "It is 3.\n"
    assert client.run("run", keyboard="\n").code == 2


def test_a_failed_run_says_why_and_exits_with_1(client: TerminalClient) -> None:
    done = client.run("run", "--agent", "fragile", "go")

    assert done.code == 1
    assert "✗ Failed" in done.out
    assert "nothing works today" in done.out


def test_a_run_that_somebody_else_stops_exits_with_3(client: TerminalClient) -> None:
    command = client.start("run", "--agent", "waiter", "go")
    command.wait_for("wait_for_ever")
    run_id = command.err.split()[0]

    assert client.run("cancel", run_id).code == 0

    done = command.finish()
    assert done.code == 3
    assert "■ Stopped" in done.out


def test_ctrl_c_stops_the_run_and_shows_its_end(client: TerminalClient) -> None:
    command = client.start("run", "--agent", "waiter", "go")
    command.wait_for("wait_for_ever")

    command.send(signal.SIGINT)

    done = command.finish()
    assert done.code == 130
    assert "■ Stopped" in done.out
    assert "Stopping…" in done.err


def test_a_second_ctrl_c_leaves_and_says_how_to_come_back(through: TerminalClient, proxy: Proxy) -> None:
    command = through.start("run", "--agent", "waiter", "go")
    command.wait_for("wait_for_ever")
    proxy.trouble_with(silent=frozenset({"up", "down"}))

    command.send(signal.SIGINT)
    command.wait_for("Stopping…")
    command.send(signal.SIGINT)

    done = command.finish()
    assert done.code == 130
    assert "outloud tail run_" in done.err
    proxy.heal()


def test_ctrl_c_on_a_tail_leaves_the_run_alone(client: TerminalClient) -> None:
    run_id = client.run("run", "--detach", "--agent", "waiter", "go").out.strip()
    command = client.start("tail", run_id)
    command.wait_for("wait_for_ever")

    command.send(signal.SIGINT)

    assert command.finish().code == 130
    assert client.run("tail", "--timeout", "1", run_id).code == 124
    client.run("cancel", run_id)
    assert client.run("tail", run_id).code == 3


def test_what_is_shown_over_a_connection_that_is_cut_again_and_again_is_the_log(
    through: TerminalClient, proxy: Proxy, store: redis.Redis
) -> None:
    command = through.start("run", "--json", "--agent", "counter", "60")
    for seq in (10, 25, 40):
        command.wait_for(f'"seq":{seq},')
        proxy.cut(reset=True)

    done = command.finish()
    assert done.code == 0
    assert "Connection lost. Reconnecting…" in done.err
    assert "Back online" in done.err
    assert done.out.splitlines() == log_of(store, run_id_of(done))


def test_an_answer_that_is_lost_on_its_way_makes_one_run(
    through: TerminalClient, proxy: Proxy, store: redis.Redis
) -> None:
    runs_before = count_runs(store)
    proxy.swallow_reply_to(b"POST /api/runs")

    done = through.run("run", "--json", "--agent", "quick", "go")

    assert done.code == 0
    assert "Trying again…" in done.err
    assert proxy.swallowed == 1
    assert count_runs(store) == runs_before + 1


def test_a_server_that_is_away_at_first_is_waited_for(through: TerminalClient, proxy: Proxy) -> None:
    proxy.trouble_with(refuses=True)
    command = through.start("run", "--quiet", "--agent", "quick", "x")
    command.wait_for("Trying again…")

    proxy.heal()

    assert command.finish().out == "It is 3.\n"


def test_a_run_is_followed_through_a_restart_of_the_server(start_system: SystemFactory, tmp_path: Path) -> None:
    system = start_system(AGENTS="tests.support.agents")
    client = TerminalClient(system.url, tmp_path / "state")
    command = client.start("run", "--agent", "counter", "150")
    command.wait_for("✓ add")

    port = system.ports[system.web.pid]
    system.web.terminate()
    system.start_web(port=port)

    done = command.finish()
    assert done.code == 0
    assert "Reconnecting…" in done.err
    assert done.out == client.run("tail", run_id_of(done)).out


def test_a_server_that_stays_away_is_given_up_after_the_timeout(tmp_path: Path) -> None:
    done = TerminalClient(f"http://127.0.0.1:{free_port()}", tmp_path / "state").run("run", "--timeout", "1", "x")

    assert done.code == 124
    assert "cannot be reached" in done.err


def test_refusals_come_in_the_server_s_words(client: TerminalClient) -> None:
    unknown = client.run("run", "--agent", "nobody", "go")
    absent = client.run("tail", "run_" + "0" * 32)

    assert (unknown.code, absent.code) == (4, 4)
    assert "There is no agent named 'nobody'" in unknown.err
    assert absent.err == "outloud: There is no such run.\n"
    assert client.run("run", "--server", "ftp://x", "go").code == 2


def test_another_user_s_run_is_not_there(client: TerminalClient, system: System, tmp_path: Path) -> None:
    run_id = client.run("run", "--detach", "--agent", "quick", "go").out.strip()

    assert TerminalClient(system.url, tmp_path / "other").run("tail", run_id).code == 4
    assert client.run("tail", run_id).code == 0


def test_commands_that_start_together_are_one_user(client: TerminalClient) -> None:
    commands = [client.start("run", "--detach", "--agent", "quick", "go") for _ in range(3)]
    run_ids = [command.finish().out.strip() for command in commands]

    assert [client.run("tail", run_id).code for run_id in run_ids] == [0, 0, 0]


def test_a_run_that_waits_for_a_person_says_how_to_decide(client: TerminalClient) -> None:
    waiting = client.run("run", "--no-wait", "--agent", "shredder", "the contract")
    assert waiting.code == 5
    assert "  name: the contract" in waiting.err
    [command] = [line for line in waiting.err.splitlines() if "outloud approve" in line]

    allowed = client.run(*command.split()[1:])

    assert allowed.out == "shred needs your yes\n  name: the contract\nYou allowed this call.\n"
    followed = client.run("tail", run_id_of(waiting))
    assert followed.code == 0
    assert "Done: the contract is in shreds." in followed.out
    again = client.run(*command.split()[1:], "--deny")
    assert again.code == 4


def test_output_that_nobody_reads_ends_quietly(client: TerminalClient) -> None:
    with client.start_piped("run", "--agent", "counter", "60") as child:
        assert child.stdout is not None
        assert child.stderr is not None
        child.stdout.readline()
        child.stdout.close()

        complaints = child.stderr.read().decode()

    assert child.returncode == 141
    assert "Traceback" not in complaints


def test_a_screen_shows_what_goes_on_and_is_clean_afterwards(client: TerminalClient) -> None:
    with client.on_screen("run", "--agent", "walker", "2 0.5") as screen:
        screen.wait_for("walker runs note")
        assert screen.finish() == 0
        ending = screen.written[screen.written.rindex("Done") :]

    assert SHOW_CURSOR in screen.written
    assert CLEAR_TO_END in screen.written
    assert "walker runs" not in ending
    assert "⠋" not in ending


def test_on_a_screen_the_person_is_asked(client: TerminalClient) -> None:
    with client.on_screen("run", "--agent", "shredder", "the contract") as screen:
        screen.wait_for("shredder")
        # Typed before there was a question, this is no answer to it.
        screen.type("y\n")
        screen.wait_for("Allow shred? [y/n]")
        screen.type("perhaps\n")
        wait_until(lambda: screen.seen().count("Allow shred?") == 2)
        screen.type("n\n")
        assert screen.finish() == 0

    assert screen.written.count("Allow shred?") == 2
    assert "You denied this call." in screen.written


def test_on_a_screen_a_decision_made_elsewhere_ends_the_question(client: TerminalClient) -> None:
    with client.on_screen("run", "--agent", "shredder", "the contract") as screen:
        screen.wait_for("Allow shred? [y/n]")
        run_id = screen.written[screen.written.index("run_") :].split()[0]
        assert client.run("approve", run_id, "a1.t1").code == 0
        assert screen.finish() == 0

    assert "the contract is in shreds" in screen.written


def test_ctrl_c_on_a_screen_stops_and_leaves_a_clean_one(client: TerminalClient) -> None:
    with client.on_screen("run", "--agent", "waiter", "x", columns=40, rows=10) as screen:
        screen.wait_for("waiter runs")
        screen.interrupt()
        assert screen.finish() == 130

    assert screen.written.rindex(SHOW_CURSOR) > screen.written.rindex("Stopping…")


def test_a_terminal_that_is_ended_gets_its_cursor_back(client: TerminalClient) -> None:
    with client.on_screen("run", "--agent", "waiter", "x") as screen:
        screen.wait_for("waiter runs")
        screen.send(signal.SIGTERM)
        assert screen.finish() == 143

    assert screen.written.rindex(SHOW_CURSOR) > screen.written.rindex("waiter runs")
