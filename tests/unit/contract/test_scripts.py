from __future__ import annotations

import hashlib
import re
from importlib.resources import files

import pytest

from worker.contract import keys, scripts
from worker.contract.codec import Draft
from worker.contract.run import RunState
from worker.contract.scripts import Attempt, Ending, Entries, ScriptCall, ToolResult

#: `emit` is the common part before every other.
NAMES = sorted(
    file.name.removesuffix(".lua")
    for file in (files("worker.contract") / "lua").iterdir()
    if file.name.endswith(".lua") and file.name != "emit.lua"
)
DRAFT = Draft(b'{"type":"x",', b'"terminal":false}')
MINE = Attempt("run_1", 3, "secret")
KEYS_OF_THE_RUN = [f"{{run_1}}:{name}" for name in ("run", "log", "journal", "approvals", "delivery")]


def append(**changed: object) -> ScriptCall:
    given: dict[str, object] = {
        "number": 1,
        "tag": "0a1b2c3d",
        "draft": DRAFT,
        "retention_ms": 1000,
        "silence_ms": 2000,
    }
    return scripts.append(MINE, **{**given, **changed})  # type: ignore[arg-type]


@pytest.mark.parametrize("name", NAMES)
def test_a_script_is_known_by_the_hash_that_redis_gives_it(name: str) -> None:
    script = scripts.load(name)

    assert script.sha == hashlib.sha1(script.source.encode()).hexdigest()
    assert script is scripts.load(name)


@pytest.mark.parametrize("name", NAMES)
def test_a_script_touches_only_keys_that_it_is_given(name: str) -> None:
    """On Redis Cluster a key that a script makes up itself may live on another node."""
    source = scripts.load(name).source

    assert "'{" not in source
    given = {"run", "log", "journal", "approvals", "delivery", "key", "KEYS[1]", "KEYS[6]"}
    for command, key in re.findall(r"redis\.call\('(\w+)'(?:, ([\w\[\]]+))?", source):
        assert command in {"TIME", "PUBLISH"} or key in given


def test_a_script_on_a_run_is_given_keys_of_that_run_only() -> None:
    calls = [
        scripts.create(run_id="run_1", thread_id="t", user_id="u", agent="a", message="m"),
        scripts.claim("run_1", worker_id="w", token="x", lease_ms=1, silence_ms=1),
        scripts.renew(MINE, written=1, lease_ms=1),
        append(),
        scripts.restore(MINE, base_seq=0, worker_id="w", lease_ms=1, silence_ms=1, fields={}),
        scripts.requeue("run_1", attempt=1, backoff_ms=1, reason="r"),
        scripts.release(MINE, state=RunState.WAITING),
        scripts.cancel("run_1", by="user"),
        scripts.tell("run_1", [("t", DRAFT)], last_seq=0, retention_ms=1),
        scripts.bury("run_1", [("t", DRAFT)], retention_ms=1, end_state=RunState.FAILED, fields={}),
        scripts.decide("run_1", "a1.t1", by="clock", decision=b"{}", attempt=1, resolved=("t", DRAFT)),
        scripts.touch("run_1", "rung_at"),
        scripts.ack("run_1", user_id="u", viewer="v", seq=1),
    ]

    assert [call.keys for call in calls] == [KEYS_OF_THE_RUN] * len(calls)


def test_a_script_that_is_of_no_run_has_one_key() -> None:
    assert scripts.enqueue("t", "run_1", life_ms=1).keys == [keys.thread_queue("t")]
    assert scripts.elect("p", term_ms=1, gap_ms=1, quiet_ms=1).keys == [keys.REAPER]


def test_a_write_carries_who_writes() -> None:
    assert append(number=7).args[:4] == ["{run_1}:events", 3, "secret", 7]


def test_an_event_that_ends_nothing_says_so() -> None:
    assert append().args[7:] == [2000, "", 1000, "", "", b"", 0]


def test_a_last_event_carries_the_state_and_the_answer() -> None:
    call = append(ending=Ending(RunState.COMPLETED, "yes", "{}"))

    assert call.args[8:12] == [RunState.COMPLETED, 1000, "yes", "{}"]


def test_a_large_result_goes_along_under_its_own_key() -> None:
    call = append(result=ToolResult("a1.t1", b"[1]"))

    assert call.keys == [*KEYS_OF_THE_RUN, "{run_1}:result:a1.t1"]
    assert call.args[12] == b"[1]"


def test_entries_go_along_journal_first() -> None:
    call = append(entries=Entries(journal={"j1": b"1", "j2": b"2"}, approvals={"a1": b"3"}))

    assert call.args[13:] == [2, "j1", b"1", "j2", b"2", "a1", b"3"]
