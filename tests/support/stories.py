"""The golden stories, and events for tests that tell their own."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from tests.support.environment import ROOT

FOLDER = ROOT / "tests" / "fixtures" / "events"
STORIES = sorted(path.stem for path in FOLDER.glob("*.json"))


def story(name: str) -> list[bytes]:
    """A golden story's events, as the log holds them."""
    return [msgspec.json.encode(event) for event in json.loads((FOLDER / f"{name}.json").read_text())]


def event(seq: int, kind: str, data: Any, **fields: Any) -> bytes:
    """An event of a run's root agent, a second after the one before."""
    envelope = {
        "type": kind,
        "seq": seq,
        "cursor": f"{seq}-{seq:08x}",
        "terminal": False,
        "run_id": "run_1",
        "thread_id": "thr_1",
        "attempt": 1,
        "agent_name": "data",
        "agent_call_id": "a1",
        "parent_call_id": None,
        "at": 1_000 * seq,
        "data": data,
    }
    return msgspec.json.encode({**envelope, **fields})
