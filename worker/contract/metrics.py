"""Every metric of the system, in one table; `docs/operations.md` shows it, and a test holds the two together.

Here is only what they are called and what they mean. Numbers are kept by `meters.Meters`, one per process, handed to
whoever counts by constructor.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product

from worker.contract.errors import FailureCode
from worker.contract.metric import Metric

_SHORT = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_LONG = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0)
_HOURS = (1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3_600.0, 14_400.0, 86_400.0)
_SILENCE = (2.5, 5.0, 7.5, 10.0, 12.5, 15.0, 20.0, 30.0, 60.0, 120.0, 300.0, 900.0)

_OUTCOMES = ("completed", "failed", "cancelled")


def _one(*values: str) -> tuple[tuple[str, ...], ...]:
    return tuple((value,) for value in values)


def _each(*labels: Iterable[str]) -> tuple[tuple[str, ...], ...]:
    return tuple(product(*labels))


# The whole system, as Redis has it.
REDIS_UP = Metric(name="outloud_redis_up", kind="gauge", source="redis", words="1 when Redis answers.")
REDIS_MEMORY = Metric(
    name="outloud_redis_memory_bytes", kind="gauge", source="redis", words="Memory that Redis uses for what it holds."
)
REDIS_MEMORY_LIMIT = Metric(
    name="outloud_redis_memory_limit_bytes",
    kind="gauge",
    source="redis",
    words="`maxmemory` of the server; 0 when it has none.",
)
WORKERS = Metric(
    name="outloud_workers",
    kind="gauge",
    source="redis",
    words="Workers that have given a sign of life in the last 15 s.",
)
PROCESSES = Metric(
    name="outloud_processes",
    kind="gauge",
    source="redis",
    labels=("kind",),
    words="Processes whose figures are of the last 15 s; `kind` is web or worker.",
)
RUNS_UNFINISHED = Metric(
    name="outloud_runs_unfinished",
    kind="gauge",
    source="redis",
    labels=("state", "queue"),
    words="Runs that wait for a worker (queued), are worked on (running) or wait for a person (waiting), by their "
    "agents' queue.",
)
RUNS_UNREAD = Metric(
    name="outloud_runs_unread",
    kind="gauge",
    source="redis",
    words="Unfinished runs beyond the 1,000 oldest, which no other figure of this table counts.",
)
OLDEST_RUN = Metric(
    name="outloud_oldest_unfinished_run_seconds",
    kind="gauge",
    source="redis",
    words="Age of the oldest unfinished run; 0 when there is none.",
)
QUEUE_AGE = Metric(
    name="outloud_queue_age_seconds",
    kind="gauge",
    source="redis",
    labels=("queue",),
    words="How long the run has waited that waits longest for a worker. Waiting behind another run of its chat does "
    "not count.",
)
RUNS_WITHOUT_WORKER = Metric(
    name="outloud_runs_without_worker",
    kind="gauge",
    source="redis",
    words="Runs that a worker had begun and nobody holds: its lease has lapsed, or they are back in the queue.",
)
LONGEST_SILENCE = Metric(
    name="outloud_longest_silence_seconds",
    kind="gauge",
    source="redis",
    words="How long ago the last sign of life was of the run that is silent for longest, among those that a worker "
    "has begun; below 4 s where all is well (with `LEASE_SECONDS` 10).",
)

# Runs, in whichever process ends them.
RUNS_ENDED = Metric(
    name="outloud_runs_ended",
    kind="counter",
    source="both",
    labels=("agent", "outcome"),
    words="Runs whose last event was written: completed, failed or cancelled.",
)
RUNS_FAILED = Metric(
    name="outloud_runs_failed",
    kind="counter",
    source="both",
    labels=("code",),
    words="Failed runs by the code in their last event.",
    known=_one(*FailureCode),
)
FIRST_EVENT_SECONDS = Metric(
    name="outloud_first_event_seconds",
    kind="histogram",
    source="both",
    words="From the moment when it is a message's turn in its chat (its acceptance, if nothing goes before it) to "
    "its first event.",
    buckets=_SHORT,
)
REAPER_ACTIONS = Metric(
    name="outloud_reaper_actions",
    kind="counter",
    source="both",
    labels=("action",),
    words="What was done for runs that nobody worked on: requeued (the worker is lost, another one goes on), ended as "
    "worker_lost, no_worker, stalled or cancelled, noticed (viewers were told of the wait), rung, expired (approvals).",
    known=_one("requeued", "worker_lost", "no_worker", "stalled", "cancelled", "noticed", "rung", "expired"),
)
SILENCE_SECONDS = Metric(
    name="outloud_lost_attempt_silence_seconds",
    kind="histogram",
    source="both",
    words="How long an attempt had given no sign of life when it was taken for lost or stalled.",
    buckets=_SILENCE,
)

# Workers.
RUNS_RUNNING = Metric(
    name="outloud_worker_runs", kind="gauge", source="worker", words="Runs that the process works on now."
)
ATTEMPTS_STARTED = Metric(
    name="outloud_attempts_started",
    kind="counter",
    source="worker",
    labels=("agent", "kind"),
    words="Attempts that began; `kind` is first or again (after a loss, a stop or an approval).",
)
ATTEMPTS_ENDED = Metric(
    name="outloud_attempts_ended",
    kind="counter",
    source="worker",
    labels=("outcome",),
    words="How attempts ended: with the run (completed, failed, cancelled), given back (queued, waiting), taken over "
    "by another worker or given up (lost), or their log gone (vanished).",
    known=_one(*_OUTCOMES, "queued", "waiting", "lost", "vanished"),
)
QUEUE_SECONDS = Metric(
    name="outloud_queue_wait_seconds",
    kind="histogram",
    source="worker",
    words="How long a run waited for a worker before an attempt.",
    buckets=_LONG,
)
RUN_SECONDS = Metric(
    name="outloud_run_duration_seconds",
    kind="histogram",
    source="worker",
    labels=("agent",),
    words="From a run's first attempt to its last event, waits for a person and lost workers included.",
    buckets=_LONG,
)
TOOL_CALLS = Metric(
    name="outloud_tool_calls",
    kind="counter",
    source="worker",
    labels=("tool", "status"),
    words="Tool calls shown as completed, by status: ok, error, denied, cancelled or interrupted.",
)
TOOL_SECONDS = Metric(
    name="outloud_tool_duration_seconds",
    kind="histogram",
    source="worker",
    labels=("tool",),
    words="How long a tool's code ran; waiting for an approval does not count.",
    buckets=_LONG,
)
APPROVAL_SECONDS = Metric(
    name="outloud_approval_wait_seconds",
    kind="histogram",
    source="worker",
    labels=("decision",),
    words="From the question to the attempt that acts on the answer: approved, denied or expired.",
    buckets=_HOURS,
)
MODEL_CALLS = Metric(
    name="outloud_model_calls",
    kind="counter",
    source="worker",
    labels=("model", "outcome"),
    words="Model requests with all their tries: ok, cancelled, the code of the failure, or error where it has none.",
)
MODEL_SECONDS = Metric(
    name="outloud_model_duration_seconds",
    kind="histogram",
    source="worker",
    labels=("model",),
    words="From a model request to the end of its answer, tries and waits included.",
    buckets=_LONG,
)
MODEL_FIRST_SECONDS = Metric(
    name="outloud_model_first_token_seconds",
    kind="histogram",
    source="worker",
    labels=("model",),
    words="From a model request to the first piece of its answer, tries and waits included.",
    buckets=_LONG,
)
MODEL_RETRIES = Metric(
    name="outloud_model_retries",
    kind="counter",
    source="worker",
    labels=("model",),
    words="Further tries after a model did not answer.",
)
MODEL_TOKENS = Metric(
    name="outloud_model_tokens",
    kind="counter",
    source="worker",
    labels=("model", "direction"),
    words="Tokens as the provider counts them, input or output.",
)
STEPS_REPLAYED = Metric(
    name="outloud_steps_replayed",
    kind="counter",
    source="worker",
    labels=("kind",),
    words="Steps of a resumed run that the journal answered: model, tool or agent.",
    known=_one("model", "tool", "agent"),
)
WRITE_SECONDS = Metric(
    name="outloud_log_write_seconds",
    kind="histogram",
    source="worker",
    words="How long a write to a run's log took, waits for Redis included.",
    buckets=(0.0005, 0.001, 0.0025, *_SHORT),
)
WRITES_RETRIED = Metric(
    name="outloud_log_writes_retried",
    kind="counter",
    source="worker",
    words="Writes to a run's log that were sent again since Redis did not answer.",
    known=((),),
)
LEASES_LOST = Metric(
    name="outloud_leases_lost",
    kind="counter",
    source="worker",
    labels=("reason",),
    words="Renewals that were refused: the run is another attempt's or over (lost), or the server has forgotten "
    "writes, which are written again (behind).",
    known=_one("lost", "behind"),
)

# Web processes.
VIEWERS = Metric(
    name="outloud_viewers",
    kind="gauge",
    source="web",
    labels=("kind",),
    words="Open connections that follow runs: socket or event_stream.",
)
WATCHED_RUNS = Metric(
    name="outloud_watched_runs", kind="gauge", source="web", words="Runs that the process holds for viewers."
)
EVENTS_SENT = Metric(
    name="outloud_events_sent",
    kind="counter",
    source="web",
    words="Events given to viewers' connections, once for each viewer.",
    known=((),),
)
FRAMES_SENT = Metric(
    name="outloud_frames_sent",
    kind="counter",
    source="web",
    words="Frames that they went out in; several events may share one.",
    known=((),),
)
EVENT_LAG_SECONDS = Metric(
    name="outloud_event_lag_seconds",
    kind="histogram",
    source="web",
    words="From an event's making in a worker to the moment when it was given to the viewers' connections; once for "
    "each event and process. Clocks of two machines may differ.",
    buckets=(0.001, 0.0025, *_SHORT),
    known=((),),
)
RESETS = Metric(
    name="outloud_resets",
    kind="counter",
    source="web",
    labels=("reason",),
    words="Viewers that were told to forget a run and take it anew: ahead, forked, trimmed or unreadable.",
    known=_one("ahead", "forked", "trimmed", "unreadable"),
)
CLOSES = Metric(
    name="outloud_viewers_closed",
    kind="counter",
    source="web",
    labels=("kind", "code"),
    words="Connections that ended, by close code: 4408 took nothing for too long, 4401 has to sign in again, 1012 this "
    "process stops, none was cut, other is the browser's own.",
    known=_each(("socket",), ("none", "1000", "1012", "1013", "4401", "4408", "4429")),
)
HANDSHAKES_REFUSED = Metric(
    name="outloud_handshakes_refused",
    kind="counter",
    source="web",
    labels=("reason",),
    words="Connections for live events that were not opened.",
    known=_one("foreign_origin", "restarting", "bad_handshake", "wrong_server", "sign_in", "overloaded", "too_many"),
)
BUS_CONNECTS = Metric(
    name="outloud_subscriber_connects",
    kind="counter",
    source="web",
    words="Connections made to hear of new events; more than one a process means that Redis was away or deaf.",
    known=((),),
)
BUS_UP = Metric(
    name="outloud_subscriber_up", kind="gauge", source="web", words="1 while the process hears of new events."
)
PROBES_MISSED = Metric(
    name="outloud_subscriber_probes_missed",
    kind="counter",
    source="web",
    words="Echoes that did not come back over that connection; after two in a row it is made anew.",
    known=((),),
)
HTTP_REQUESTS = Metric(
    name="outloud_http_requests",
    kind="counter",
    source="web",
    labels=("route", "method", "status"),
    words="Answered requests by route.",
)
HTTP_SECONDS = Metric(
    name="outloud_http_duration_seconds",
    kind="histogram",
    source="web",
    labels=("route",),
    words="From a request to its answer. For `/ws` and event streams: until the relay has the connection.",
    buckets=_SHORT,
)
WEBHOOKS = Metric(
    name="outloud_webhooks",
    kind="counter",
    source="web",
    labels=("result",),
    words="Webhooks of outcomes that nobody saw: sent, failed (will be tried again), given_up or dropped.",
    known=_one("sent", "failed", "given_up", "dropped"),
)

# Every process.
CPU_SECONDS = Metric(
    name="outloud_process_cpu_seconds",
    kind="counter",
    source="both",
    words="Processor time of the process.",
)
MEMORY = Metric(
    name="outloud_process_memory_bytes",
    kind="gauge",
    source="both",
    words="Memory that the process holds (resident; Linux).",
)

METRICS: tuple[Metric, ...] = tuple(value for value in tuple(globals().values()) if isinstance(value, Metric))

_PEOPLE = {"redis": "Redis, when asked", "worker": "each worker", "web": "each web process", "both": "each process"}


def table() -> str:
    """The metrics as a table for people."""
    head = "| metric | kind | labels | from | meaning |\n|---|---|---|---|---|\n"
    return head + "".join(
        f"| `{metric.shown_name}` | {metric.kind} | {', '.join(f'`{label}`' for label in metric.labels)} "
        f"| {_PEOPLE[metric.source]} | {metric.words} |\n"
        for metric in METRICS
    )
