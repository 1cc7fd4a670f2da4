from __future__ import annotations

import re
from pathlib import Path

from worker.contract import keys

ROOT = Path(__file__).resolve().parents[3]
RUN = "run_1"


def test_all_keys_of_a_run_share_its_hash_tag() -> None:
    made = [build(RUN) for build in (keys.run, keys.log, keys.journal, keys.approvals, keys.delivery)]
    made += [keys.tool_result(RUN, "a1.t1"), keys.events_channel(RUN)]

    assert all(key.startswith("{run_1}:") for key in made)
    assert len(set(made)) == len(made)


def test_what_is_changed_together_shares_a_hash_tag() -> None:
    threads = [keys.thread("t"), keys.thread_runs("t"), keys.thread_queue("t")]
    assert {key.split(":")[1] for key in threads} == {"{t}"}
    users = [keys.user_threads("u"), keys.user_live("u"), keys.user_files("u"), keys.user_file("u", "f")]
    assert {key.split(":")[1] for key in users} == {"{u}"}


def test_a_brace_in_an_idempotency_key_does_not_move_the_key() -> None:
    assert keys.user_request("u", "}{x}").startswith("user:{u}:request:")


def test_the_data_model_lists_every_key_and_channel() -> None:
    table = keys.__doc__ or ""
    made = {
        keys.run("run"): "`{run}:run`",
        keys.log("run"): "`{run}:log`",
        keys.journal("run"): "`{run}:journal`",
        keys.approvals("run"): "`{run}:approvals`",
        keys.tool_result("run", "<call>"): "`{run}:result:<call>`",
        keys.delivery("run"): "`{run}:delivery`",
        keys.thread("t"): "`thread:{t}`",
        keys.thread_runs("t"): "`thread:{t}:runs`",
        keys.thread_queue("t"): "`thread:{t}:queue`",
        keys.events_channel("run"): "`{run}:events`",
        keys.control_channel("<id>"): "`worker:<id>:control`",
        keys.worker_about("<id>"): "`worker:<id>:about`",
        keys.probe_channel("<id>"): "`relay:<id>:probe`",
    }

    for key, listed in made.items():
        assert listed == f"`{key}`"
        assert listed in table
    lists = (keys.RUNS_LIVE, keys.RUNS_UNSEEN, keys.RUNS_ENDED, keys.RUNS_FAILED)
    for name in (*lists, keys.WORKERS, keys.CATALOGUE, keys.REAPER):
        assert f"| `{name}`" in table


def test_no_key_is_built_anywhere_else() -> None:
    key_like = re.compile(r"""f?["'](\{\{\{|thread:|user:|runs:live|worker:\{|relay:\{)""")
    sources = [path for part in ("web", "worker") for path in (ROOT / part).rglob("*.py") if path.name != "keys.py"]

    assert len(sources) > 20
    assert [str(path) for path in sources if key_like.search(path.read_text())] == []
