"""Errors of the contract itself, and the codes that failures carry in events.

ContractError
├── DecodeError        these bytes are not what they should be
└── CursorError        this text is not a cursor
"""

from __future__ import annotations

from enum import StrEnum


class ContractError(Exception):
    """Base class of the contract's errors."""


class DecodeError(ContractError):
    """Raised when bytes cannot be read as the value they should hold."""


class CursorError(ContractError):
    """Raised when a text is not a cursor."""


class FailureCode(StrEnum):
    """Why an agent or a tool failed, as `error.code` of its last event."""

    UNKNOWN_AGENT = "unknown_agent"
    AGENT_ERROR = "agent_error"
    RUN_TIMEOUT = "run_timeout"
    STEP_LIMIT = "step_limit"
    EVENT_LIMIT = "event_limit"
    WORKER_LOST = "worker_lost"
    NO_WORKER = "no_worker"
    STALLED = "stalled"
    JOURNAL_MISMATCH = "journal_mismatch"
    LOG_UNAVAILABLE = "log_unavailable"
    LOG_LOST = "log_lost"
    MODEL_AUTH = "model_auth"
    MODEL_NOT_FOUND = "model_not_found"
    MODEL_UNREACHABLE = "model_unreachable"
    MODEL_INTERRUPTED = "model_interrupted"
    MODEL_OVERLOADED = "model_overloaded"
    MODEL_REJECTED = "model_rejected"
    UNKNOWN_TOOL = "unknown_tool"
    INVALID_ARGUMENTS = "invalid_arguments"
    TOOL_ERROR = "tool_error"
    TOOL_TIMEOUT = "tool_timeout"
    TOOL_RESULT_INVALID = "tool_result_invalid"
    DENIED = "denied"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"
