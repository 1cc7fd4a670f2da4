"""What the processes log: JSON lines that say whose they are, and no word of a user, a model or a tool."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.client import Client
from tests.support.model_provider import ModelProvider, call, text, thinking
from tests.support.system import System, running_system
from tests.support.waiting import wait_until

Line = dict[str, Any]

#: Words that stand in no code: in what is asked, in what a model says and asks tools for, in a file.
ASKED = "zephyrquokka"
SAID = "marzipanotter"
ARGUED = "gherkinlemur"
FILED = "kumquatbadger"
REFUSED = "tamarindvole"
TYPED = "persimmonstoat"
MARKERS = (ASKED, SAID, ARGUED, FILED, REFUSED, TYPED)


@pytest.fixture(scope="module")
def provider() -> Iterator[ModelProvider]:
    with ModelProvider() as made:
        yield made


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory, provider: ModelProvider) -> Iterator[System]:
    settings = {
        **provider.environment(),
        "AGENTS": "tests.support.wordy_agents,tests.support.agents,worker.crew.agents",
        "MODEL_MAX_RETRIES": "1",
    }
    with running_system(tmp_path_factory.mktemp("logs"), settings) as running:
        yield running


@pytest.fixture(scope="module")
def runs(system: System, provider: ModelProvider) -> dict[str, str]:
    """Runs in which everything goes wrong that can, by what they show."""
    client = Client(system.url)
    made = {}
    files = {"file": (f"{FILED}.csv", f"{FILED},amount\n{FILED},1\n".encode(), "text/csv")}
    assert client.http.post("/api/files", files=files).status_code == 201
    client.http.post("/api/files", files={"file": (f"{FILED}.exe", b"\x00\x01", "text/csv")})
    for agent in ("parrot", "spiller"):
        made[agent] = client.post_run(f"what of {ASKED}", agent=agent)["run_id"]
        client.follow(made[agent])
    provider.reply(thinking(SAID), call("calculate", expression=ARGUED), call(ARGUED, word=ARGUED), call("calculate"))
    provider.reply(call("query_data", sql=f"SELECT {ARGUED}"), call("calculate", expression="1 + 1"))
    provider.reply(text(SAID))
    made["model"] = client.post_run(f"count {ASKED}", agent="data")["run_id"]
    client.follow(made["model"])
    provider.fail(503, message=f"no {REFUSED} now", times=1)
    provider.fail(400, message=f"no {REFUSED} in {ASKED}", times=1)
    made["refused"] = client.post_run(ASKED, agent="data")["run_id"]
    client.follow(made["refused"])
    made["shredder"] = client.post_run(ASKED, agent="shredder")["run_id"]
    _decide(client, made["shredder"])
    client.follow(made["shredder"])
    _ask_badly(client)
    client.close()
    return made


def _decide(client: Client, run_id: str) -> None:
    wait_until(lambda: client.run(run_id)["state"] == "waiting", what="it waits for a person")
    edited = {"decision": "approved", "arguments": {"name": ARGUED}}
    assert client.http.post(f"/api/runs/{run_id}/approvals/a1.t1", json=edited).status_code == 200


def _ask_badly(client: Client) -> None:
    """Requests that are refused, with words of their own in every place."""
    for path in (f"/api/runs/{TYPED} {TYPED}", f"/{TYPED}", f"/api/{TYPED}?q={TYPED}", f"/static/{TYPED}"):
        assert client.http.get(path).status_code == 404
    broken = client.http.post(
        "/api/runs", content=f'{{"message": "{TYPED}', headers={"Content-Type": "application/json"}
    )
    assert broken.status_code == 400
    for body in (
        {"message": TYPED, "agent": TYPED},
        {"message": TYPED, TYPED: 1},
        {"message": TYPED, "thread_id": TYPED},
    ):
        assert client.http.post("/api/runs", json=body).status_code in (400, 404, 422)
    with client.socket() as socket:
        socket.send(json.dumps({"op": TYPED, "run_id": TYPED}))
        list(client.events(socket))


@pytest.fixture(scope="module")
def outputs(system: System, runs: dict[str, str]) -> dict[str, list[str]]:
    """What each process has printed from its start to its end, line by line."""
    for process in (system.web, system.worker):
        process.terminate()
    return {process.name: process.output.splitlines() for process in (system.web, system.worker)}


@pytest.fixture(scope="module")
def lines(outputs: dict[str, list[str]]) -> list[Line]:
    return [json.loads(line) for printed in outputs.values() for line in printed]


def test_every_line_of_every_process_is_json(outputs: dict[str, list[str]]) -> None:
    plain = [line for printed in outputs.values() for line in printed if not line.startswith('{"at"')]

    assert plain == []
    assert all(outputs.values())


def test_gunicorn_s_and_celery_s_own_lines_are_among_them(lines: list[Line]) -> None:
    loggers = {line["logger"] for line in lines}

    assert "gunicorn.error" in loggers
    assert any(name.startswith("celery") for name in loggers)


@pytest.mark.parametrize("marker", MARKERS)
def test_nobody_s_words_are_in_a_line(outputs: dict[str, list[str]], marker: str) -> None:
    found = [line for printed in outputs.values() for line in printed if marker in line.lower()]

    assert found == []


@pytest.mark.parametrize(
    ("logger", "message"),
    [
        ("team.tools", "agent at work"),
        ("team.tools", "plain tool at work"),
        ("team.tools", "thread of a tool at work"),
        ("team.tools", "lookup failed"),
        ("library", "library at work"),
        ("worker.engine", "attempt started"),
        ("worker.engine", "attempt ended"),
    ],
)
def test_a_line_written_for_a_run_names_it(lines: list[Line], runs: dict[str, str], logger: str, message: str) -> None:
    found = [line for line in lines if (line["logger"], line["message"]) == (logger, message) and not _is_check(line)]

    assert found
    for line in found:
        assert line["run_id"] in runs.values()
        assert line["attempt"] >= 1
        assert line["thread_id"].startswith("thr_")


def _is_check(line: Line) -> bool:
    """The worker tries all agents before it starts."""
    return str(line.get("run_id", "")).startswith("run_check")


def test_an_agent_s_failure_is_told_by_its_places_in_the_code(lines: list[Line], runs: dict[str, str]) -> None:
    [failed] = [line for line in lines if line.get("action") == "agent_failed"]

    assert (failed["run_id"], failed["level"]) == (runs["spiller"], "error")
    assert "wordy_agents.py" in failed["traceback"]
    assert "RuntimeError" in failed["traceback"]


def test_a_tool_s_own_traceback_keeps_its_causes(lines: list[Line]) -> None:
    [failed] = [line for line in lines if line["message"] == "lookup failed"]

    assert "in complain" in failed["exception"]
    assert failed["exception"].endswith("ValueError: (what it says is logged with LOG_LEVEL=debug)")


def test_what_fails_when_nobody_looks_is_a_line_too(lines: list[Line]) -> None:
    actions = [line.get("action") for line in lines]

    assert "task_failed" in actions
    assert "thread_failed" in actions


def test_a_request_s_line_names_the_request_and_its_run(lines: list[Line], runs: dict[str, str]) -> None:
    posts = [line for line in lines if line.get("action") == "request" and line["route"] == "/api/runs"]
    accepted = [line for line in posts if line["status"] == 202]

    assert {line["run_id"] for line in accepted} == set(runs.values())
    assert len({line["request_id"] for line in posts}) == len(posts)
