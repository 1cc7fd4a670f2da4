// What a story comes to: answers to the questions that views ask of it. Pure, like the story itself.

import { awaitsDecision } from "./story.js";

/** True once nothing follows in this run. */
export function isFinished(story) {
  return story.endedAt > 0;
}

/**
 * The answer so far, taken out of the root agent's parts.
 *
 * While the run goes on it is the message being written; what was said before a later step stays at its place among the
 * steps. A completed run's answer is its whole result, though it may be several messages joined.
 *
 * Returns `{text, result, key}`: `text` is Markdown or null, `result` a final answer that is not text or null, and `key` the
 * part that the answer replaces in the list of steps, or null.
 */
export function answerOf(story) {
  const root = story.calls[story.rootId];
  if (!root) return { text: null, result: null, key: null };
  const last = root.parts.at(-1);
  const spoken = last?.kind === "message" ? last : null;
  if (root.state !== "completed") return { text: spoken?.text ?? null, result: null, key: spoken?.key ?? null };
  if (typeof root.result === "string" && root.result.trim() !== "") {
    return { text: root.result, result: null, key: repeatedKey(root) };
  }
  if (root.result === null || root.result === "")
    return { text: spoken?.text ?? null, result: null, key: spoken?.key ?? null };
  return { text: null, result: root.result, key: null };
}

// Of several messages that make up the result only the last has no step after it: the others keep their place.
function repeatedKey({ parts, result }) {
  const messages = parts.filter((part) => part.kind === "message");
  const same = messages.findLast((part) => part.text.trim() === result.trim());
  const last = messages.at(-1);
  return (same ?? (last && result.trim().endsWith(last.text.trim()) ? last : null))?.key ?? null;
}

/** What an agent call came to when its messages do not say it already; null when there is nothing to add. */
export function unsaidResult(call) {
  if (call.state !== "completed" || call.result === null || call.result === "") return null;
  const texts = call.parts.filter((part) => part.kind === "message").map((part) => part.text);
  const said = [...texts, texts.join("")].some((text) => text.trim() === String(call.result).trim());
  return said ? null : call.result;
}

/** How much work went into a story: `{agents, tools, failed, unclear}`, the root agent not counted. */
export function countWork(story) {
  const calls = Object.values(story.calls);
  const each = calls.map(countTools);
  const sum = (name) => each.reduce((total, counts) => total + counts[name], 0);
  return { agents: Math.max(0, calls.length - 1), tools: sum("tools"), failed: sum("failed"), unclear: sum("unclear") };
}

/** The tool calls of one agent call: `{tools, failed, unclear}`; of an unclear one nobody knows whether it happened. */
export function countTools(call) {
  const tools = call.parts.filter((part) => part.kind === "tool");
  const having = (status) => tools.filter((tool) => tool.status === status).length;
  return { tools: tools.length, failed: having("error"), unclear: having("interrupted") };
}

/** True when the root agent has said anything. */
export function hasSpoken(story) {
  return story.calls[story.rootId]?.parts.some((part) => part.kind === "message") ?? false;
}

/** True for a story that broke off when all that had been said stood among the steps. */
export function keepsTextInSteps(story) {
  return isFinished(story) && story.state !== "completed" && hasSpoken(story) && answerOf(story).text === null;
}

/** The tool calls that wait for a person's yes, oldest first, as `{agentName, tool}`. */
export function waitingTools(story) {
  if (story.state !== "waiting") return [];
  return Object.values(story.calls)
    .flatMap(({ agentName, parts }) => parts.filter(awaitsDecision).map((tool) => ({ agentName, tool })))
    .toSorted((one, other) => one.tool.startedAt - other.tool.startedAt);
}

/** Ids of the agent calls in which a tool call waits for a person, at any depth. */
export function waitingCalls(story) {
  const ids = new Set();
  if (story.state !== "waiting") return ids;
  for (const call of Object.values(story.calls)) {
    if (!call.parts.some(awaitsDecision)) continue;
    for (let id = call.id; id !== null && !ids.has(id); id = story.calls[id]?.parentId ?? null) ids.add(id);
  }
  return ids;
}

/** Charts that tools of this run have drawn, oldest first, at most `limit`, no two alike. */
export function chartsOf(story, limit = 4) {
  const charts = new Map();
  for (const call of Object.values(story.calls)) {
    for (const part of call.parts) {
      if (part.kind === "tool" && part.status === "ok" && part.result?.kind === "chart")
        charts.set(JSON.stringify(part.result), part.result);
    }
  }
  return [...charts.values()].slice(-limit);
}

/** What the run is doing right now, as `{agentName, tool}`: the deepest agent at work and its open tool call, if any. */
export function activityOf(story) {
  let call = story.calls[story.rootId];
  while (call) {
    const nested = call.parts.findLast(
      (part) => part.kind === "agent" && story.calls[part.callId]?.state === "running",
    );
    if (!nested) break;
    call = story.calls[nested.callId];
  }
  const tool = call?.parts.findLast((part) => part.kind === "tool" && part.status === "running") ?? null;
  return { agentName: call?.agentName ?? null, tool, last: call?.parts.at(-1) ?? null };
}
