// The story of one run: a pure reducer from events to what is shown. Knows no DOM, no socket and no clock.
//
// A story is never changed in place, and what an event does not touch stays the same object, so that a view finds what
// has changed by comparing references. The caller guarantees order: each event's `seq` is the last one plus one.

import { cutText, extendText } from "./partialtext.js";

/** The empty story of a run. */
export function newStory(runId) {
  return {
    runId,
    seq: 0,
    cursor: "",
    attempt: 0,
    state: "queued",
    rootId: null,
    calls: {},
    startedAt: 0,
    lastAt: 0,
    endedAt: 0,
  };
}

/** Tell the story on by one event. Unknown types are kept and shown plainly. */
export function reduce(story, event) {
  const step = Object.hasOwn(STEPS, event.type) ? STEPS[event.type] : keepUnknown;
  const told = {
    ...step(withCall(story, event), event),
    seq: event.seq,
    cursor: event.cursor,
    attempt: event.attempt,
    lastAt: event.at,
  };
  return event.terminal ? closeStory(told, event) : told;
}

/** End the story of a run that the server has lost: nothing follows, and its last event will never come. */
export function abandon(story, at) {
  return { ...story, calls: closeCalls(story.calls, at), state: "failed", endedAt: at };
}

/** True for a part that is a tool call waiting for a person's yes. */
export function awaitsDecision(part) {
  return isRunningTool(part) && part.approval?.decision === null;
}

/** The event types that have a step of their own. */
export function knownTypes() {
  return Object.keys(STEPS);
}

const STEPS = {
  agent_started: startAgent,
  agent_thinking: think,
  partial_result: say,
  tool_executing: startTool,
  tool_progress: reportTool,
  tool_completed: completeTool,
  approval_requested: requestApproval,
  approval_resolved: resolveApproval,
  run_resumed: resumeRun,
  agent_completed: completeAgent,
  agent_failed: failAgent,
  agent_cancelled: cancelAgent,
};

// A log whose beginning is no longer kept starts in the middle of calls that nobody has introduced.
function withCall(story, event) {
  const { agent_call_id: id, parent_call_id: parentId, agent_name: agentName, at } = event;
  if (story.calls[id] || event.type === "agent_started") return story;
  const data = { input: "", model: null, tools: [] };
  const parent =
    parentId === null
      ? story
      : withCall(story, { agent_call_id: parentId, parent_call_id: null, agent_name: "agent", at });
  return startAgent(parent, { agent_call_id: id, parent_call_id: parentId, agent_name: agentName, at, data });
}

function startAgent(story, event) {
  const { agent_call_id: id, parent_call_id: parentId, data } = event;
  const earlier = story.calls[id];
  const call = {
    id,
    parentId,
    agentName: event.agent_name,
    input: data.input,
    model: data.model,
    tools: data.tools,
    state: "running",
    startedAt: earlier?.startedAt ?? event.at,
    endedAt: 0,
    parts: earlier?.parts ?? [],
  };
  const next = { ...story, calls: { ...story.calls, [id]: call } };
  if (earlier) return withLiveState(next);
  if (parentId !== null && story.calls[parentId])
    return addPart(next, parentId, { kind: "agent", key: `c:${id}`, callId: id });
  return { ...next, rootId: story.rootId ?? id, state: "running", startedAt: story.startedAt || event.at };
}

function think(story, event) {
  const { text, delta, step } = event.data;
  const parts = partsOf(story, event.agent_call_id);
  const open = delta && parts.findLast((part) => part.kind === "thought" && part.delta && part.step === step);
  if (open && open.attempt === event.attempt)
    return putPart(story, event.agent_call_id, extendText(open, event.seq, text));
  const thought = {
    kind: "thought",
    key: `h:${event.seq}`,
    step,
    delta,
    attempt: event.attempt,
    text: "",
    pieces: null,
  };
  return addPart(story, event.agent_call_id, extendText(thought, event.seq, text));
}

function say(story, event) {
  const { message_id: messageId, text } = event.data;
  const key = `m:${messageId}`;
  const open = partsOf(story, event.agent_call_id).findLast((part) => part.key === key);
  const message = open ?? { kind: "message", key, messageId, text: "", pieces: null };
  return putPart(story, event.agent_call_id, extendText(message, event.seq, text));
}

function startTool(story, event) {
  const { call_id: callId, tool_name: name, arguments: args, purpose } = event.data;
  return putPart(story, event.agent_call_id, {
    ...emptyTool(callId, name),
    arguments: args,
    purpose,
    startedAt: event.at,
  });
}

function reportTool(story, event) {
  const { call_id: callId, fraction, text } = event.data;
  return changeTool(story, event, callId, { progress: { fraction, text } });
}

function completeTool(story, event) {
  const {
    call_id: callId,
    tool_name: name,
    status,
    duration_ms: durationMs,
    result,
    result_bytes: resultBytes,
    truncated,
    error,
  } = event.data;
  const change = { name, status, durationMs, result, resultBytes, truncated, error, progress: null, endedAt: event.at };
  const next = changeTool(story, event, callId, change);
  return next.state === "waiting" ? withLiveState(next) : next;
}

function requestApproval(story, event) {
  const {
    call_id: callId,
    tool_name: name,
    arguments: args,
    arguments_hash: hash = "",
    expires_at: expiresAt,
    editable = false,
  } = event.data;
  const approval = { expiresAt, hash, editable, decision: null, by: null, edited: false };
  return withLiveState(changeTool(story, event, callId, { ...(name && { name }), arguments: args, approval }));
}

function resolveApproval(story, event) {
  const { call_id: callId, decision, by, edited = false } = event.data;
  const approval = { expiresAt: 0, hash: "", editable: false, decision, by, edited };
  return withLiveState(changeTool(story, event, callId, { approval }));
}

// Tool calls that are still open stay so: one that may be repeated goes on, any other is closed by an event.
function resumeRun(story, event) {
  const { reason, discard = {} } = event.data;
  const calls = { ...story.calls };
  for (const [id, last] of Object.entries(discard)) {
    if (Object.hasOwn(calls, id)) calls[id] = discardText(calls[id], last);
  }
  const notice = { kind: "notice", key: `n:${event.seq}`, reason, attempt: event.attempt };
  return withLiveState(addPart({ ...story, calls }, event.agent_call_id, notice));
}

function completeAgent(story, event) {
  const { result, duration_ms: durationMs, usage } = event.data;
  return endAgent(story, event, { state: "completed", result, durationMs, usage });
}

function failAgent(story, event) {
  return endAgent(story, event, { state: "failed", error: event.data.error });
}

function cancelAgent(story, event) {
  return endAgent(story, event, { state: "cancelled", cancelledBy: event.data.by });
}

function keepUnknown(story, event) {
  const part = { kind: "unknown", key: `u:${event.seq}`, type: String(event.type), data: event.data ?? null };
  return addPart(story, event.agent_call_id, part);
}

function endAgent(story, event, outcome) {
  const call = story.calls[event.agent_call_id];
  const durationMs = outcome.durationMs ?? event.at - call.startedAt;
  return putCall(story, { ...call, ...outcome, durationMs, endedAt: event.at });
}

// What the last event leaves open was cut off with it. The contract forbids open tool calls here, but a spinner that never
// ends would be the worst way to learn that it was broken.
function closeStory(story, event) {
  const calls = closeCalls(story.calls, event.at);
  return { ...story, calls, state: calls[story.rootId]?.state ?? "failed", endedAt: event.at };
}

function closeCalls(calls, at) {
  return Object.fromEntries(Object.entries(calls).map(([id, call]) => [id, closeCall(call, at)]));
}

function closeCall(call, at) {
  const parts = call.parts.some(isRunningTool)
    ? call.parts.map((part) => (isRunningTool(part) ? interrupt(part, at) : part))
    : call.parts;
  if (call.state !== "running") return parts === call.parts ? call : { ...call, parts };
  return { ...call, parts, state: "interrupted", endedAt: at, durationMs: at - call.startedAt };
}

function interrupt(tool, at) {
  return { ...tool, status: "interrupted", durationMs: at - tool.startedAt, endedAt: at };
}

function isRunningTool(part) {
  return part.kind === "tool" && part.status === "running";
}

// Several calls may wait at once, and others go on beside them.
function withLiveState(story) {
  const isWaiting = Object.values(story.calls).some((call) => call.parts.some(awaitsDecision));
  return { ...story, state: isWaiting ? "waiting" : "running" };
}

function emptyTool(callId, name) {
  return {
    kind: "tool",
    key: `t:${callId}`,
    callId,
    name,
    arguments: {},
    purpose: null,
    status: "running",
    progress: null,
    approval: null,
    result: null,
    resultBytes: 0,
    truncated: false,
    error: null,
    startedAt: 0,
    endedAt: 0,
    durationMs: 0,
  };
}

function changeTool(story, event, callId, change) {
  const owner = ownerOf(story, callId, event.agent_call_id);
  const known = partsOf(story, owner).findLast((part) => part.key === `t:${callId}`);
  const tool = known ?? { ...emptyTool(callId, change.name ?? "tool"), startedAt: event.at };
  return putPart(story, owner, { ...tool, ...change });
}

// The call that reports on a tool is nearly always the one that called it; a reaper may close it in another's name.
function ownerOf(story, callId, likelyId) {
  const owns = (id) => partsOf(story, id).findLastIndex((part) => part.key === `t:${callId}`) >= 0;
  return owns(likelyId) ? likelyId : (Object.keys(story.calls).find(owns) ?? likelyId);
}

function discardText(call, lastSeq) {
  if (!call.parts.some((part) => part.pieces && part.pieces.seq > lastSeq)) return call;
  const parts = call.parts.map((part) => (isPartialText(part) ? cutText(part, lastSeq) : part));
  return { ...call, parts: parts.filter((part) => !isPartialText(part) || part.text !== "") };
}

function isPartialText(part) {
  return part.kind === "message" || (part.kind === "thought" && part.delta);
}

function partsOf(story, callId) {
  return story.calls[callId]?.parts ?? [];
}

function addPart(story, callId, part) {
  const call = story.calls[callId];
  return putCall(story, { ...call, parts: [...call.parts, part] });
}

// The newest part is nearly always the one that changes, hence the search from the end.
function putPart(story, callId, part) {
  const parts = partsOf(story, callId);
  const index = parts.findLastIndex((other) => other.key === part.key);
  if (index < 0) return addPart(story, callId, part);
  return putCall(story, { ...story.calls[callId], parts: parts.with(index, part) });
}

function putCall(story, call) {
  return { ...story, calls: { ...story.calls, [call.id]: call } };
}
