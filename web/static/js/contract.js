// Generated from worker/contract and web/relay by `python -m web.constants`. Do not edit.

export const CONTRACT_VERSION = 1;
export const EVENT_TYPES = Object.freeze([
  "agent_started",
  "agent_thinking",
  "partial_result",
  "tool_executing",
  "tool_progress",
  "tool_completed",
  "approval_requested",
  "approval_resolved",
  "run_resumed",
  "agent_completed",
  "agent_failed",
  "agent_cancelled",
]);
export const ENDING_TYPES = Object.freeze(["agent_completed", "agent_failed", "agent_cancelled"]);
export const TOOL_STATUSES = Object.freeze(["ok", "error", "denied", "cancelled", "interrupted"]);
export const DECISIONS = Object.freeze(["approved", "denied", "expired"]);
export const FAILURE_CODES = Object.freeze([
  "unknown_agent",
  "agent_error",
  "run_timeout",
  "step_limit",
  "event_limit",
  "worker_lost",
  "no_worker",
  "stalled",
  "journal_mismatch",
  "log_unavailable",
  "log_lost",
  "model_auth",
  "model_not_found",
  "model_unreachable",
  "model_interrupted",
  "model_overloaded",
  "model_rejected",
  "unknown_tool",
  "invalid_arguments",
  "tool_error",
  "tool_timeout",
  "tool_result_invalid",
  "denied",
  "cancelled",
  "interrupted",
]);
export const RUN_STATES = Object.freeze(["queued", "running", "waiting", "completed", "failed", "cancelled"]);
export const FINISHED_STATES = Object.freeze(["completed", "failed", "cancelled"]);
export const OPERATIONS = Object.freeze(["subscribe", "unsubscribe", "ack", "pong"]);
export const CONTROL_OPS = Object.freeze(["subscribed", "live", "reset", "heartbeat", "bye", "error"]);
export const CLOSE_CODES = Object.freeze({
  DONE: 1000,
  PROTOCOL_ERROR: 1002,
  INVALID_TEXT: 1007,
  POLICY: 1008,
  TOO_BIG: 1009,
  INTERNAL_ERROR: 1011,
  RESTARTING: 1012,
  OVERLOADED: 1013,
  MALFORMED: 4400,
  SIGN_IN: 4401,
  FORBIDDEN: 4403,
  NOT_FOUND: 4404,
  TOO_SLOW: 4408,
  TOO_MANY: 4429,
});
export const STOP_CLOSE_CODES = Object.freeze([1000, 1008, 1009, 4400, 4403, 4404]);
export const HEARTBEAT_SECONDS = 20;
export const MAX_EVENT_BYTES = 65536;
export const MAX_FRAME_BYTES = 16384;
export const MAX_SUBSCRIPTIONS = 64;
