from __future__ import annotations

import json
from typing import Any

import msgspec

from web.webhooks.webhook import MAX_TRIES, Message, outcome_message, sign, signed_headers, wait_seconds
from worker.contract.events import Failure
from worker.contract.run import RunRecord, RunState

RECORD = RunRecord(
    run_id="run_1",
    thread_id="thr_1",
    user_id="usr_1",
    agent="triage",
    message="What is it?",
    state=RunState.COMPLETED,
    created_at=1_700_000_000_000,
    ended_at=1_700_000_061_007,
    attempt=2,
    answer="It is 42.",
)


def body_of(message: Message) -> Any:
    return json.loads(message.body)


def test_the_signature_is_that_of_the_specification_s_own_example() -> None:
    """The vector of the reference implementations; `openssl dgst -sha256 -mac HMAC` gives the same."""
    key = bytes.fromhex("31f290f6bf06298aab4f08d43c3f082cf648a362da2da4b0")
    message = Message("msg_p5jXN8AQM9LWM0D4loKWxJek", b'{"test": 2432232314}')

    assert sign(message, key, now=1614265330) == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_the_headers_name_what_was_signed() -> None:
    message = Message("unseen_run_1", b"{}")

    headers = signed_headers(message, b"k" * 24, now=1614265330)

    assert headers == {
        "content-type": "application/json",
        "webhook-id": "unseen_run_1",
        "webhook-timestamp": "1614265330",
        "webhook-signature": sign(message, b"k" * 24, now=1614265330),
    }


def test_a_webhook_says_how_a_run_ended_and_not_what_was_asked_or_answered() -> None:
    message = outcome_message(RECORD, None)

    assert body_of(message) == {
        "type": "run.outcome_unseen",
        "timestamp": "2023-11-14T22:14:21.007Z",
        "data": {
            "run_id": "run_1",
            "thread_id": "thr_1",
            "user_id": "usr_1",
            "agent": "triage",
            "state": "completed",
            "ended_at": 1_700_000_061_007,
            "attempt": 2,
        },
    }


def test_a_failed_run_says_why() -> None:
    record = msgspec.structs.replace(RECORD, state=RunState.FAILED)
    error = Failure(code="worker_lost", message="The worker was lost.", retryable=True)

    data = body_of(outcome_message(record, error))["data"]

    assert data["error"] == {"code": "worker_lost", "message": "The worker was lost.", "retryable": True}


def test_every_try_has_the_same_id_and_body_and_no_two_runs_have() -> None:
    other = msgspec.structs.replace(RECORD, run_id="run_2")

    assert outcome_message(RECORD, None) == outcome_message(RECORD, None)
    assert outcome_message(RECORD, None).message_id != outcome_message(other, None).message_id
    # The signature's parts are told apart by full stops.
    assert "." not in outcome_message(RECORD, None).message_id


def test_waits_grow_and_are_spread_and_end_within_a_night() -> None:
    shortest = [wait_seconds(tries, random=lambda: 0.0) for tries in range(1, MAX_TRIES)]
    longest = [wait_seconds(tries, random=lambda: 1.0) for tries in range(1, MAX_TRIES)]

    assert shortest[:3] == [2.5, 10.0, 40.0]
    assert longest[:3] == [5.0, 20.0, 80.0]
    assert all(later > earlier for earlier, later in zip(longest, shortest[1:], strict=False))
    assert sum(longest) < 8 * 3600
