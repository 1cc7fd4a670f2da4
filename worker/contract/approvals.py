"""What a person must allow before a tool runs, and the decision, as the hash at `keys.approvals` holds them.

| field                | holds                                       |
|----------------------|---------------------------------------------|
| `<call_id>`          | the request: tool and exact arguments       |
| `<call_id>:expires`  | Unix time in ms; read by the `decide` script |
| `<call_id>:decision` | the first decision                          |
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec

from worker.contract.clock import now_ms
from worker.contract.codec import Draft, encode, encode_draft
from worker.contract.cursor import new_tag
from worker.contract.events import ApprovalResolved, ApprovalResolvedData, Decision, EnvelopeFields
from worker.contract.run import RunRecord


class ApprovalRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A frozen tool call, stored in the same step as `approval_requested`."""

    tool_name: str
    #: Exactly as the tool will get them; shown to nobody but who may decide.
    arguments: dict[str, Any]
    arguments_hash: str
    #: Whoever decides may change the arguments.
    editable: bool
    expires_at: int
    #: Of the agent call that asked, so that the decision can be told in its name.
    agent_name: str
    agent_call_id: str
    parent_call_id: str | None

    def envelope(self, record: RunRecord) -> EnvelopeFields:
        """Fill in what an event about this call needs."""
        return EnvelopeFields(
            run_id=record.run_id,
            thread_id=record.thread_id,
            attempt=record.attempt,
            agent_name=self.agent_name,
            agent_call_id=self.agent_call_id,
            parent_call_id=self.parent_call_id,
            at=now_ms(),
        )


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What was decided."""

    decision: Decision
    #: User id; empty for the clock.
    by: str
    #: The arguments to use instead; null when they were not changed.
    arguments: dict[str, Any] | None = None


class Approval(msgspec.Struct, frozen=True, kw_only=True):
    request: ApprovalRequest
    #: Null while nobody has decided.
    verdict: Verdict | None


def hash_arguments(arguments: Mapping[str, Any]) -> str:
    """SHA-256 of arguments, in hexadecimal, whatever the order of their names."""
    return hashlib.sha256(msgspec.json.encode(arguments, order="sorted")).hexdigest()


def approval_fields(call_id: str, request: ApprovalRequest) -> dict[str, bytes]:
    """Write a request as fields of the hash."""
    return {call_id: encode(request), f"{call_id}:expires": str(request.expires_at).encode()}


def read_approvals(fields: Mapping[bytes, bytes]) -> dict[str, Approval]:
    """Read all of a run's approvals by call id."""
    found = {}
    for name, raw in fields.items():
        call_id = name.decode()
        if ":" in call_id:
            continue
        decided = fields.get(f"{call_id}:decision".encode())
        found[call_id] = Approval(
            request=msgspec.json.decode(raw, type=ApprovalRequest),
            verdict=read_verdict(decided) if decided is not None else None,
        )
    return found


def read_verdict(raw: bytes) -> Verdict:
    return msgspec.json.decode(raw, type=Verdict)


def resolved_draft(record: RunRecord, call_id: str, request: ApprovalRequest, verdict: Verdict) -> tuple[str, Draft]:
    """Write the event that tells of a decision, with its tag."""
    data = ApprovalResolvedData(
        call_id=call_id, decision=verdict.decision, by=verdict.by, edited=verdict.arguments is not None
    )
    return new_tag(), encode_draft(ApprovalResolved(**request.envelope(record), data=data))
