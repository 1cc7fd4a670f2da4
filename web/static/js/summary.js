// What a story comes to: answers to the questions that views ask of it. Pure, like the story itself.

/** True once nothing follows in this run. */
export function isFinished(story) {
  return story.endedAt > 0;
}

/**
 * The answer so far, taken out of the root agent's parts.
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
    const repeated = root.parts.findLast((part) => part.kind === "message" && part.text.trim() === root.result.trim());
    return { text: root.result, result: null, key: repeated?.key ?? null };
  }
  if (root.result === null || root.result === "")
    return { text: spoken?.text ?? null, result: null, key: spoken?.key ?? null };
  return { text: null, result: root.result, key: null };
}

/** What an agent call came to when its last message does not say it already; null when there is nothing to add. */
export function unsaidResult(call) {
  if (call.state !== "completed" || call.result === null || call.result === "") return null;
  const said = call.parts.some((part) => part.kind === "message" && part.text.trim() === String(call.result).trim());
  return said ? null : call.result;
}

/** How much work went into a story: `{agents, tools, problems}`, the root agent not counted. */
export function countWork(story) {
  const calls = Object.values(story.calls);
  const tools = calls.flatMap((call) => call.parts.filter((part) => part.kind === "tool"));
  const problems = tools.filter((tool) => tool.status === "error" || tool.status === "interrupted").length;
  return { agents: Math.max(0, calls.length - 1), tools: tools.length, problems };
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
