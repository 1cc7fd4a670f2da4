from __future__ import annotations

import hashlib
from typing import Any

from worker.contract.approvals import (
    Approval,
    ApprovalRequest,
    Verdict,
    approval_fields,
    hash_arguments,
    read_approvals,
    resolved_draft,
)
from worker.contract.codec import decode, encode
from worker.contract.events import ApprovalResolved
from worker.contract.run import RunRecord, RunState


def request(**changed: Any) -> ApprovalRequest:
    given: dict[str, Any] = {
        "tool_name": "send_mail",
        "arguments": {"to": "a@b.example"},
        "arguments_hash": "0" * 64,
        "editable": False,
        "expires_at": 7,
        "agent_name": "actions",
        "agent_call_id": "a1.2",
        "parent_call_id": "a1",
    }
    return ApprovalRequest(**{**given, **changed})


def stored(fields: dict[str, bytes]) -> dict[bytes, bytes]:
    return {name.encode(): value for name, value in fields.items()}


def test_arguments_have_one_hash_whatever_the_order_of_their_names() -> None:
    first = hash_arguments({"b": [1, {"y": 1, "x": 2}], "a": "é"})

    assert first == hash_arguments({"a": "é", "b": [1, {"x": 2, "y": 1}]})
    assert first == hashlib.sha256('{"a":"é","b":[1,{"x":2,"y":1}]}'.encode()).hexdigest()


def test_other_arguments_have_another_hash() -> None:
    hashes = {hash_arguments(arguments) for arguments in ({}, {"n": 1}, {"n": "1"}, {"n": 1.5}, {"m": 1}, {"n": [1]})}

    assert len(hashes) == 6


def test_requests_are_read_as_they_were_written_each_with_its_decision() -> None:
    yes = Verdict(decision="approved", by="usr_1", arguments={"to": "c@d.example"})
    fields = {
        **approval_fields("a1.t1", request()),
        **approval_fields("a1.2.t1", request(editable=True)),
        "a1.2.t1:decision": encode(yes),
    }

    assert read_approvals(stored(fields)) == {
        "a1.t1": Approval(request=request(), verdict=None),
        "a1.2.t1": Approval(request=request(editable=True), verdict=yes),
    }


def test_the_script_finds_the_time_under_a_field_of_its_own() -> None:
    assert approval_fields("a1.t1", request(expires_at=1234))["a1.t1:expires"] == b"1234"


def test_a_decision_is_told_in_the_name_of_the_agent_call_that_asked() -> None:
    record = RunRecord(
        run_id="run_1",
        thread_id="thr_1",
        user_id="usr_1",
        agent="triage",
        message="hi",
        state=RunState.WAITING,
        created_at=1,
        attempt=3,
    )

    tag, draft = resolved_draft(record, "a1.2.t1", request(), Verdict(decision="denied", by="usr_1"))

    event = decode(draft.head + f'"seq":5,"cursor":"5-{tag}",'.encode() + draft.tail)
    assert isinstance(event, ApprovalResolved)
    assert (event.agent_name, event.agent_call_id, event.parent_call_id, event.attempt) == ("actions", "a1.2", "a1", 3)
    assert (event.data.call_id, event.data.decision, event.data.by, event.data.edited) == (
        "a1.2.t1",
        "denied",
        "usr_1",
        False,
    )
