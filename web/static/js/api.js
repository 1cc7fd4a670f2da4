// The HTTP calls. Each answers with the decoded JSON or throws an ApiError whose message a person can read.

import { parseExactly } from "./helpers/json.js";
import { learnTime } from "./helpers/timing.js";

const TIMEOUT = 30_000;

/** `code` is the server's, or "network" when no answer came; `retryable` says whether the same call may work later. */
export class ApiError extends Error {
  constructor(code, message, { status = 0, detail = null } = {}) {
    super(message);
    this.name = "ApiError";
    this.code = code;
    this.status = status;
    this.detail = detail;
  }

  get retryable() {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }
}

let onRefused = () => {};

/** Have `action` called whenever a call is refused because nobody is signed in. */
export function whenRefused(action) {
  onRefused = action;
}

export const api = {
  session: () => call("GET", "/api/session"),
  agents: () => call("GET", "/api/agents"),
  threads: async () => (await call("GET", "/api/threads")).threads,
  thread: (threadId) => call("GET", `/api/threads/${encodeURIComponent(threadId)}`),
  deleteThread: (threadId) => call("DELETE", `/api/threads/${encodeURIComponent(threadId)}`),
  startRun: (request) => call("POST", "/api/runs", request),
  run: (runId) => call("GET", `/api/runs/${encodeURIComponent(runId)}`),
  events: (runId, after) =>
    call("GET", `/api/runs/${encodeURIComponent(runId)}/events?after=${encodeURIComponent(after)}`),
  cancelRun: (runId) => call("POST", `/api/runs/${encodeURIComponent(runId)}/cancel`),
  approval: (runId, callId) => call("GET", approvalUrl(runId, callId), undefined, parseExactly),
  decide: (runId, callId, decision) => call("POST", approvalUrl(runId, callId), decision),
  files: async () => (await call("GET", "/api/files")).files,
  deleteFile: (fileId) => call("DELETE", `/api/files/${encodeURIComponent(fileId)}`),
};

/** Address of a tool result that was too large for its event. */
export function resultUrl(runId, callId) {
  return `/api/runs/${encodeURIComponent(runId)}/tool_calls/${encodeURIComponent(callId)}/result`;
}

function approvalUrl(runId, callId) {
  return `/api/runs/${encodeURIComponent(runId)}/approvals/${encodeURIComponent(callId)}`;
}

/** Read the error of an HTTP answer; `body` is its text. A refusal is told to who asked for it with `whenRefused`. */
export function errorFrom(status, body) {
  if (status === 401) onRefused();
  try {
    const { code, message, detail } = JSON.parse(body).error;
    return new ApiError(code, message, { status, detail });
  } catch {
    // Not our server's words: a proxy in front of it.
    if (status === 401) return new ApiError("unauthenticated", "You are not signed in.", { status });
    return new ApiError("unexpected", `The server answered with status ${status}.`, { status });
  }
}

/** One call; `parse` reads the answer. Throws an ApiError. */
export async function call(method, path, body, parse = JSON.parse) {
  const response = await request(method, path, body);
  // Our calls redirect nowhere. A proxy that wants a sign-in first does, to a page that is of no use here.
  if (response.type === "opaqueredirect") throw errorFrom(401, "");
  learnTime(Date.parse(response.headers.get("Date") ?? ""));
  const text = await response.text();
  if (!response.ok) throw errorFrom(response.status, text);
  return text === "" ? null : parse(text);
}

async function request(method, path, body) {
  const headers = { Accept: "application/json" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const options = {
    method,
    headers,
    body: body === undefined ? undefined : JSON.stringify(body),
    signal: AbortSignal.timeout(TIMEOUT),
  };
  try {
    return await fetch(path, { ...options, credentials: "same-origin", redirect: "manual" });
  } catch (cause) {
    const late = cause.name === "TimeoutError";
    throw new ApiError("network", late ? "The server did not answer in time." : "The server could not be reached.");
  }
}
