"""Every Redis key and channel. No key is built anywhere else.

| key                      | type   | holds                              | written by       | read by     | life time                   |
|--------------------------|--------|------------------------------------|------------------|-------------|-----------------------------|
| `{run}:run`              | hash   | the run's record                   | scripts          | all         | until the end + retention   |
| `{run}:log`              | stream | its events, id `<seq>-0`, field e  | scripts          | web, worker | as the record; 20,000 events|
| `{run}:journal`          | hash   | finished steps, see `journal`      | `append`         | worker      | until the run ends          |
| `{run}:approvals`        | hash   | what a person must allow           | `append`, `decide`| all        | as the record               |
| `{run}:delivery`         | hash   | viewer id to `<seq> <ms>`          | `ack`            | web         | as the record               |
| `{run}:result:<call>`    | string | a tool result too large for events | `append`         | web, worker | retention after its writing |
| `thread:{t}`             | hash   | user_id, title, created_at         | web              | web, worker | retention after last run    |
| `thread:{t}:runs`        | zset   | run ids by creation time           | web              | web, worker | as the thread               |
| `thread:{t}:queue`       | list   | unfinished run ids as accepted     | web, worker      | web, worker | as the thread               |
| `user:{u}:threads`       | zset   | thread ids by last activity        | web              | web         | retention after last run    |
| `user:{u}:live`          | zset   | unfinished run ids by creation     | web, worker      | web         | cleaned when read           |
| `user:{u}:request:<key>` | string | run id of an idempotency key       | web              | web         | 24 h                        |
| `user:{u}:files`         | hash   | file id to FileInfo as JSON        | web, worker      | web, worker | file retention after change |
| `user:{u}:file:<id>`     | string | a file's bytes, zlib               | web, worker      | worker      | file retention              |
| `runs:live`              | zset   | unfinished run ids by creation     | web, worker      | worker, web | no end; entries leave       |
| `runs:unseen`            | zset   | ended run ids by when to look again| web, worker      | web         | no end; entries leave       |
| `runs:ended`             | zset   | ended runs, see `ended`, by end    | web, worker      | web         | 2 h; 20,000 entries         |
| `runs:failed`            | zset   | ids of failed runs by end          | web, worker      | web         | no end; 500 entries         |
| `workers`                | zset   | worker ids by last sign of life    | worker           | web         | no end; entries leave       |
| `worker:<id>:about`      | string | what a worker says of itself, JSON | worker           | web         | 75 s after each             |
| `processes`              | set    | ids of processes with figures      | web, worker      | web         | no end; entries leave       |
| `process:<id>:figures`   | string | a process's metrics, see `meters`  | web, worker      | web         | 120 s after each            |
| `catalogue`              | string | what can run, as JSON              | worker           | web         | no end                      |
| `restore:record`         | hash   | a record that is looked at         | restore          | restore     | one transaction             |
| `reaper`                 | hash   | who sweeps now, when it last did   | `elect`          | web, worker | no end                      |

| channel                  | carries                        | published by | subscribed by            |
|--------------------------|--------------------------------|--------------|--------------------------|
| `{run}:events`           | each event as stored           | scripts      | web                      |
| `worker:<id>:control`    | a word and a run id to look at | scripts      | the worker of that id    |
| `relay:<id>:probe`       | a relay's own echo             | web          | the relay of that id     |

Everything of a run shares the hash tag `{run_id}`, so that a script may touch it on Redis Cluster. Channels are not separated by
database number: run ids are random, so two deployments on one server do not meet.
"""

from __future__ import annotations

import re

RUNS_LIVE = "runs:live"
#: A run is looked at when the webhook's delay has passed since the score, in ms: its end, moved on by every try.
RUNS_UNSEEN = "runs:unseen"
#: How runs ended, for an operator's charts: the newest, of the last two hours.
RUNS_ENDED = "runs:ended"
RUNS_FAILED = "runs:failed"
WORKERS = "workers"
PROCESSES = "processes"
CATALOGUE = "catalogue"
REAPER = "reaper"
RESTORE_RECORD = "restore:record"

_RECORD = re.compile(r"\{(run_[^{}]+)\}:run")
_PART = re.compile(r"\{(run_[^{}]+)\}:(?:run|log|journal|approvals|delivery)")

#: Workers give a sign of life every 3 s; one that has missed several is not there.
WORKER_SILENCE_MS = 15_000


def run(run_id: str) -> str:
    return f"{{{run_id}}}:run"


def log(run_id: str) -> str:
    return f"{{{run_id}}}:log"


def journal(run_id: str) -> str:
    return f"{{{run_id}}}:journal"


def approvals(run_id: str) -> str:
    return f"{{{run_id}}}:approvals"


def delivery(run_id: str) -> str:
    return f"{{{run_id}}}:delivery"


def whole_run(run_id: str) -> list[str]:
    """The keys of a run that only make sense together, its record first; large tool results stand for themselves."""
    return [build(run_id) for build in (run, log, journal, approvals, delivery)]


def run_of(key: str) -> str | None:
    """The run whose record this key is; None for any other key."""
    match = _RECORD.fullmatch(key)
    return match[1] if match else None


def is_content(key: str) -> bool:
    """Whether this key holds what others name: a large tool result, the bytes of a file."""
    return ":result:" in key if key.startswith("{run_") else key.startswith("user:{") and "}:file:" in key


def is_lasting(key: str) -> bool:
    """Whether a backup takes this key by itself: it tells of people's work, not of processes, and is not a part of a
    run that goes with its record. Lists of unfinished runs are made anew from the records: a restored one would take
    the place of those that run there.
    """
    return is_content(key) or (key.startswith(("thread:{", "user:{", "runs:")) and not _is_list_of_live(key))


def _is_list_of_live(key: str) -> bool:
    return key == RUNS_LIVE or (key.startswith("user:{") and key.endswith("}:live"))


def is_in_backup(key: str) -> bool:
    """Whether a backup may hold this key, by itself or with the record of its run."""
    return is_lasting(key) or _PART.fullmatch(key) is not None


def tool_result(run_id: str, call_id: str) -> str:
    return f"{{{run_id}}}:result:{call_id}"


def thread(thread_id: str) -> str:
    return f"thread:{{{thread_id}}}"


def thread_runs(thread_id: str) -> str:
    return f"thread:{{{thread_id}}}:runs"


def thread_queue(thread_id: str) -> str:
    return f"thread:{{{thread_id}}}:queue"


def user_threads(user_id: str) -> str:
    return f"user:{{{user_id}}}:threads"


def user_live(user_id: str) -> str:
    return f"user:{{{user_id}}}:live"


def user_request(user_id: str, idempotency_key: str) -> str:
    return f"user:{{{user_id}}}:request:{idempotency_key}"


def user_files(user_id: str) -> str:
    return f"user:{{{user_id}}}:files"


def user_file(user_id: str, file_id: str) -> str:
    return f"user:{{{user_id}}}:file:{file_id}"


def events_channel(run_id: str) -> str:
    return f"{{{run_id}}}:events"


def worker_about(worker_id: str) -> str:
    return f"worker:{worker_id}:about"


def figures(process: str) -> str:
    return f"process:{process}:figures"


def control_channel(worker_id: str) -> str:
    return f"worker:{worker_id}:control"


def probe_channel(relay_id: str) -> str:
    return f"relay:{relay_id}:probe"
