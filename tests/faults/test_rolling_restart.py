"""A deploy in the middle of many runs: every process is replaced, and viewers see a pause, nothing else."""

from __future__ import annotations

import json
import signal
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, WebSocketException

from tests.support.client import Client, assert_whole
from tests.support.processes import Process
from tests.support.system import System, running_system
from tests.support.waiting import scaled

Event = dict[str, Any]

RUNS = 20
STEPS = 12
#: A router gives the next connection to any web process that answers.
REACHED_SECONDS = 90.0


@pytest.mark.timeout(240)
def test_a_rolling_restart_of_everything_in_the_middle_of_twenty_runs_is_a_pause(tmp_path: Path) -> None:
    counter = tmp_path / "counter"
    settings = {"AGENTS": "tests.support.agents", "COUNTER_FILE": str(counter), "DRAIN_SECONDS": "5"}
    with running_system(tmp_path, settings) as system:
        system.start_worker()
        system.start_web()
        clients = [Client(system.url_of(web)) for web in system.webs]
        # The cookie is signed with a key that all web processes share, so one user may come to any of them.
        user = clients[0]
        run_ids = [user.post_run(f"{STEPS} 0.5", agent="walker")["run_id"] for _ in range(RUNS)]
        addresses = [client.url for client in clients]
        with ThreadPoolExecutor(RUNS) as pool:
            watching = [pool.submit(follow_anywhere, user, addresses, run_id) for run_id in run_ids]
            restart_everything(system)
            seen = [watched.result() for watched in watching]
        for client in clients:
            client.close()

    for events, codes in seen:
        assert_whole(events)
        assert events[-1]["type"] == "agent_completed"
        assert {e["data"]["status"] for e in events if e["type"] == "tool_completed"} == {"ok"}
        assert codes <= {1000, 1012}
    steps = Counter(counter.read_text().splitlines())
    assert len(steps) == RUNS * STEPS
    assert set(steps.values()) == {1}


def restart_everything(system: System) -> None:
    """New processes come up, then the old ones get SIGTERM, in all their processes at once as platforms do it."""
    for old in list(system.workers):
        system.start_worker()
        _replace(old)
    for old in list(system.webs):
        port = system.ports[old.pid]
        _replace(old)
        system.start_web(port=port)


def _replace(old: Process) -> None:
    time.sleep(scaled(1.0))  # the pace of a deploy, not a wait for something
    old.send_all(signal.SIGTERM)
    old.wait(30)


def follow_anywhere(user: Client, addresses: list[str], run_id: str) -> tuple[list[Event], set[int]]:
    """Follow a run to its end as a page does, at whichever address answers; also the close codes met on the way."""
    events: list[Event] = []
    codes: set[int] = set()
    cursor: str | int = 0
    end = time.monotonic() + scaled(REACHED_SECONDS)
    turn = 0
    while time.monotonic() < end:
        user_at = Follower(user, addresses[turn % len(addresses)])
        turn += 1
        for event in user_at.events(run_id, cursor):
            assert event["seq"] == (events[-1]["seq"] if events else 0) + 1
            events.append(event)
            cursor = event["cursor"]
            if event["terminal"]:
                return events, codes
        if user_at.code is not None:
            codes.add(user_at.code)
        time.sleep(0.05)
    raise AssertionError(f"run {run_id} was not seen to its end; {len(events)} events")


class Follower:
    """One connection to one address."""

    def __init__(self, user: Client, address: str) -> None:
        self._user = user
        self._address = address
        #: The close code; None while there was none, or nobody answered.
        self.code: int | None = None

    def events(self, run_id: str, after: str | int) -> list[Event]:
        found: list[Event] = []
        try:
            with self._user.socket(at=self._address) as socket:
                socket.send(json.dumps({"op": "subscribe", "run_id": run_id, "after": after}))
                try:
                    for event in self._user.events(socket, deadline=REACHED_SECONDS):
                        found.append(event)
                        if event["terminal"]:
                            return found
                finally:
                    self.code = socket.close_code
        except (OSError, ConnectionClosed, WebSocketException):
            return found
        return found
