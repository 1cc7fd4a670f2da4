// Plain words for the states and codes of the contract. Tables only.

/** What went wrong, as a heading; the event's own message says the rest. */
export const FAILURES = {
  unknown_agent: "There is no such agent",
  agent_error: "The agent ran into an error",
  run_timeout: "This took longer than it may",
  step_limit: "The agent needed more steps than it may take",
  event_limit: "The agent had more to tell than a run may hold",
  worker_lost: "The worker that ran this was lost",
  no_worker: "No worker took this in time",
  stalled: "This made no progress for too long",
  journal_mismatch: "The agent has changed since this began",
  log_unavailable: "The steps could not be stored",
  log_lost: "The steps of this run are lost",
  model_auth: "The model provider refused the key",
  model_not_found: "The model does not exist",
  model_unreachable: "The model could not be reached",
  model_interrupted: "The model broke off in the middle",
  model_overloaded: "The model is overloaded",
  model_rejected: "The model refused the request",
  unknown_tool: "There is no such tool",
  invalid_arguments: "The tool was called with the wrong arguments",
  tool_error: "The tool failed",
  tool_timeout: "The tool took too long",
  tool_result_invalid: "The tool returned something unreadable",
  denied: "The call was not allowed",
  cancelled: "Stopped",
  interrupted: "It is not known whether this happened",
};

export const CALL_STATES = {
  running: "working",
  completed: "done",
  failed: "failed",
  cancelled: "stopped",
  interrupted: "interrupted",
};

export const TOOL_STATES = {
  running: "running",
  ok: "done",
  error: "failed",
  denied: "denied",
  cancelled: "stopped",
  interrupted: "interrupted",
};

export const DECISIONS = {
  approved: "You allowed this call.",
  denied: "You denied this call.",
  expired: "Nobody decided in time.",
};

/** How a call that needed a person's yes stands, in one line; a run is its owner's alone, hence "you". */
export function decisionWords({ status, approval: { decision, edited } }) {
  if (decision === "approved" && edited) return "You allowed this call with changed arguments.";
  if (decision !== null) return DECISIONS[decision] ?? decision;
  return status === "cancelled" ? "Stopped before anyone decided." : "The run ended before anyone decided.";
}

/** Why the server has closed the connection for good, by close code. */
export const CLOSED = {
  1008: "The server refused this connection.",
  1009: "A message was too large for the server.",
  4400: "The server did not understand this page. Reload it to get the current one.",
  4403: "You may not follow this run.",
  4404: "This run does not exist, or it is not yours.",
};

/** A failure as `{title, text}`; the text does not say again what the title has said. */
export function failureWords(error) {
  const title = Object.hasOwn(FAILURES, error?.code) ? FAILURES[error.code] : "Something went wrong";
  const message = error?.message ?? "";
  if (!message.toLowerCase().startsWith(title.toLowerCase())) return { title, text: message };
  return { title, text: message.slice(title.length).replace(/^[\s.:,;-]+/, "") };
}
