from __future__ import annotations

import hashlib

import pytest

from worker.contract import scripts
from worker.contract.codec import Draft
from worker.contract.run import RunState
from worker.contract.scripts import Ending, ScriptCall, ToolResult

NAMES = ("append", "cancel", "claim", "create", "renew")
DRAFT = Draft(b'{"type":"x",', b'"terminal":false}')


def append(**changed: object) -> ScriptCall:
    given: dict[str, object] = {"attempt": 1, "number": 1, "tag": "0a1b2c3d", "draft": DRAFT, "retention_ms": 1000}
    return scripts.append("run_1", **{**given, **changed})  # type: ignore[arg-type]


@pytest.mark.parametrize("name", NAMES)
def test_a_script_is_known_by_the_hash_that_redis_gives_it(name: str) -> None:
    script = scripts.load(name)

    assert script.sha == hashlib.sha1(script.source.encode()).hexdigest()
    assert script is scripts.load(name)


@pytest.mark.parametrize("name", NAMES)
def test_a_script_touches_only_keys_that_it_is_given(name: str) -> None:
    """On Redis Cluster a key that a script makes up itself may live on another node."""
    source = scripts.load(name).source

    assert "KEYS[1]" in source
    assert "'{" not in source
    assert ".. ':" not in source


def test_the_calls_name_keys_of_one_run_only() -> None:
    calls = [
        scripts.create(run_id="run_1", thread_id="t", user_id="u", agent="a", message="m"),
        scripts.claim("run_1", worker_id="w", lease_ms=1),
        scripts.renew("run_1", attempt=1, lease_ms=1),
        append(result=ToolResult("a1.t1", b"{}")),
        scripts.cancel("run_1", by="user", retention_ms=1, started=("t", DRAFT), cancelled=("t", DRAFT)),
    ]

    for call in calls:
        assert all(key.startswith("{run_1}:") for key in call.keys)


def test_an_event_that_ends_nothing_says_so() -> None:
    assert append().args[6:10] == ["", 1000, "", ""]


def test_a_last_event_carries_the_state_and_the_answer() -> None:
    call = append(ending=Ending(RunState.COMPLETED, "yes", "{}"))

    assert call.args[6:10] == [RunState.COMPLETED, 1000, "yes", "{}"]


def test_a_large_result_goes_along_under_its_own_key() -> None:
    call = append(result=ToolResult("a1.t1", b"[1]"))

    assert call.keys == ["{run_1}:run", "{run_1}:log", "{run_1}:result:a1.t1"]
    assert call.args[-1] == b"[1]"
