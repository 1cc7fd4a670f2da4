"""What a person may allow: shows a frozen tool call as it would run, and takes the first decision on it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from web.errors import Conflict, NotFound, Unprocessable
from web.services import Services
from worker.contract.approvals import Approval, ApprovalRequest, Verdict, resolved_draft
from worker.contract.run import RunRecord

#: Changed arguments come from a person's text area; what a tool wants in bulk belongs into a file.
MAX_BODY_BYTES = 256 * 1024


class DecisionRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of `POST /api/runs/<id>/approvals/<call_id>`."""

    decision: Literal["approved", "denied"]
    #: To run with instead; null leaves them as they are.
    arguments: dict[str, Any] | None = None
    #: What the person has seen; null when the client does not check.
    arguments_hash: Annotated[str, msgspec.Meta(max_length=64)] | None = None


class ApprovalView(msgspec.Struct, frozen=True, kw_only=True):
    """An approval as the API shows it to whoever may decide. `decision` is null while nobody has decided."""

    call_id: str
    tool_name: str
    #: Exactly as the tool will get them.
    arguments: dict[str, Any]
    arguments_hash: str
    editable: bool
    expires_at: int
    decision: str | None
    by: str


class DecisionView(msgspec.Struct, frozen=True, kw_only=True):
    run_id: str
    call_id: str
    decision: str
    by: str


def show(services: Services, record: RunRecord, call_id: str) -> ApprovalView:
    """Give an approval.

    Raises:
        NotFound: This call asks nobody.
    """
    approval = _found(services, record, call_id)
    request, verdict = approval.request, approval.verdict
    return ApprovalView(
        call_id=call_id,
        tool_name=request.tool_name,
        arguments=verdict.arguments if verdict and verdict.arguments is not None else request.arguments,
        arguments_hash=request.arguments_hash,
        editable=request.editable,
        expires_at=request.expires_at,
        decision=verdict.decision if verdict else None,
        by=verdict.by if verdict else "",
    )


def decide(services: Services, record: RunRecord, call_id: str, wish: DecisionRequest) -> DecisionView:
    """Take a decision; the first one counts, and the run goes on.

    Raises:
        NotFound: This call asks nobody.
        Conflict: It was decided already, its time is over, or the run has ended.
        Unprocessable: Its arguments may not be changed.
    """
    request = _found(services, record, call_id).request
    if wish.arguments_hash not in (None, request.arguments_hash):
        raise Conflict("These are not the arguments that wait for a decision.", code="arguments_changed")
    if wish.arguments is not None and not request.editable:
        raise Unprocessable("The arguments of this call may not be changed.", code="not_editable")
    verdict = Verdict(decision=wish.decision, by=record.user_id, arguments=wish.arguments)
    status, *rest = _store(services, record, call_id, request, verdict)
    match status:
        case "ok":
            if rest[0] == "queued":
                services.driver.ring(record.run_id, record.queue, record.agent)
            return DecisionView(run_id=record.run_id, call_id=call_id, decision=verdict.decision, by=verdict.by)
        case "missing":
            raise NotFound("There is no such approval.")
        case "decided":
            first = msgspec.json.decode(rest[0], type=Verdict)
            raise Conflict(
                f"This was decided before: {first.decision}.",
                code="already_decided",
                detail={"decision": first.decision, "by": first.by},
            )
        case _:
            raise Conflict(_TOO_LATE[status], code=f"run_{status}" if status != "expired" else "expired")


def _store(
    services: Services, record: RunRecord, call_id: str, request: ApprovalRequest, verdict: Verdict
) -> list[str]:
    """Store a decision and tell of it; another attempt may begin while the event is made."""
    while True:
        resolved = resolved_draft(record, call_id, request, verdict)
        answer = services.runs.decide(record, call_id, verdict, resolved)
        if answer != ["moved"]:
            return answer
        record = services.runs.owned(record.run_id, record.user_id)


_TOO_LATE = {
    "finished": "The run has ended.",
    "stopping": "The run is being stopped.",
    "expired": "The time to decide is over.",
}


def _found(services: Services, record: RunRecord, call_id: str) -> Approval:
    approval = services.runs.approvals(record.run_id).get(call_id)
    if approval is None:
        raise NotFound("There is no such approval.")
    return approval
