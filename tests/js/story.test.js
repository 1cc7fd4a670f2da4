import assert from "node:assert/strict";
import { test } from "node:test";

import { EVENT_TYPES } from "../../web/static/js/contract.js";
import { abandon, knownTypes, newStory, reduce } from "../../web/static/js/story.js";
import {
  answerOf,
  chartsOf,
  countWork,
  hasSpoken,
  isFinished,
  keepsTextInSteps,
  unsaidResult,
  waitingCalls,
  waitingTools,
} from "../../web/static/js/summary.js";
import { event, golden, goldenNames, partsOfKind, picture, tell } from "./golden.js";

const started = event(1, "agent_started", { input: "Question", model: "offline", tools: [] });

function textOf(story, kind) {
  return partsOfKind(story, kind).map((part) => part.text);
}

test("every event type of the contract has a step of its own", () => {
  assert.deepEqual(new Set(knownTypes()), new Set(EVENT_TYPES));
});

test("together the golden stories show every event type", () => {
  const seen = new Set(goldenNames.flatMap((name) => golden(name).map(({ type }) => type)));
  assert.deepEqual(seen, new Set(EVENT_TYPES));
});

for (const name of goldenNames) {
  test(`${name}: the last event ends the story and leaves nothing running`, () => {
    const story = tell(golden(name));
    assert.ok(isFinished(story));
    assert.equal(story.seq, golden(name).length);
    assert.deepEqual(
      Object.values(story.calls).filter((call) => call.state === "running"),
      [],
    );
    assert.deepEqual(
      partsOfKind(story, "tool").filter((tool) => tool.status === "running"),
      [],
    );
  });

  test(`${name}: an event changes no story that was told before it`, () => {
    const stories = [newStory("run")];
    for (const next of golden(name)) stories.push(reduce(stories.at(-1), next));
    const pictures = stories.map(picture);
    tell(golden(name));
    assert.deepEqual(stories.map(picture), pictures);
  });
}

test("an answer of a crew shows four nested agents in the order of their calls", () => {
  const story = tell(golden("crew_answer"));
  const nested = story.calls.a1.parts
    .filter((part) => part.kind === "agent")
    .map((part) => story.calls[part.callId].agentName);
  assert.deepEqual(nested, ["data", "optimization", "actions", "reporting"]);
  assert.deepEqual(countWork(story), { agents: 4, tools: 7, failed: 0, unclear: 0 });
  assert.match(answerOf(story).text, /^\*\*South lost the most revenue/);
  assert.deepEqual(
    chartsOf(story).map((chart) => chart.chart),
    ["bar"],
  );
});

test("the answer is not repeated among the steps", () => {
  const story = tell(golden("crew_answer"));
  assert.equal(answerOf(story).key, "m:a1.m6");
});

const say = (seq, messageId, text) => event(seq, "partial_result", { message_id: messageId, text });
const call = (seq) =>
  event(seq, "tool_executing", { call_id: `a1.t${seq}`, tool_name: "add", arguments: {}, purpose: null });
const saidInTurns = [started, say(2, "a1.m1", "One "), call(3), say(4, "a1.m2", "two "), call(5), say(6, "a1.m3", "three")];

test("what is said before a tool call stays before it; only the message being written is the answer", () => {
  const story = tell(saidInTurns);
  assert.deepEqual(
    story.calls.a1.parts.map(({ key }) => key),
    ["m:a1.m1", "t:a1.t3", "m:a1.m2", "t:a1.t5", "m:a1.m3"],
  );
  assert.deepEqual(answerOf(story), { text: "three", result: null, key: "m:a1.m3" });
  assert.equal(answerOf(tell(saidInTurns.slice(0, -1))).text, null);
});

test("a result of several messages is shown whole, and only the last of them is not among the steps", () => {
  const end = event(7, "agent_completed", { result: "One two three", duration_ms: 1, usage: {} }, { terminal: true });
  const story = tell([...saidInTurns, end]);
  assert.deepEqual(answerOf(story), { text: "One two three", result: null, key: "m:a1.m3" });
  assert.equal(unsaidResult(story.calls.a1), null);
});

test("a result that was not said hides no message", () => {
  const end = event(7, "agent_completed", { result: "Six", duration_ms: 1, usage: {} }, { terminal: true });
  assert.deepEqual(answerOf(tell([...saidInTurns, end])), { text: "Six", result: null, key: null });
});

test("deltas of a thought become one thought", () => {
  const story = tell(golden("simple_answer"));
  assert.deepEqual(textOf(story, "thought"), [
    "A percentage of a number: multiply and divide by a hundred. The calculator is exact, so use it.",
  ]);
});

test("a whole thought is a thought of its own", () => {
  const thought = (seq, text) => event(seq, "agent_thinking", { text, delta: false, step: 1 });
  const story = tell([started, thought(2, "First."), thought(3, "Second.")]);
  assert.deepEqual(textOf(story, "thought"), ["First.", "Second."]);
});

test("a failed tool is never shown as success", () => {
  const tools = partsOfKind(tell(golden("tool_failures")), "tool");
  assert.deepEqual(
    tools.map((tool) => tool.status),
    ["error", "error", "error", "error", "ok"],
  );
  assert.ok(tools.slice(0, 4).every((tool) => tool.error.message !== "" && tool.result === null));
  assert.deepEqual([tools[4].truncated, tools[4].resultBytes], [true, 5_242_880]);
});

test("a nested agent that failed does not fail the run", () => {
  const story = tell(golden("tool_failures"));
  assert.deepEqual([story.calls["a1.1"].state, story.state], ["failed", "completed"]);
});

test("text that a resumed run declares void is gone, what came before it stays", () => {
  const story = tell(golden("resumed"));
  assert.equal(answerOf(story).text, "You sold 4,120 units in January, 4,388 in February and 4,016 in March.");
  assert.deepEqual(textOf(story, "thought"), ["One grouped query is enough."]);
  assert.deepEqual(
    partsOfKind(story, "tool").map((tool) => tool.status),
    ["ok", "interrupted"],
  );
  assert.equal(story.attempt, 2);
});

const resume = (seq, data) =>
  event(seq, "run_resumed", { reason: "Lost.", discard_after_seq: 0, ...data }, { attempt: 2 });

test("a resumed run cuts a text in the middle, at the event that was named", () => {
  const say = (seq, text, fields) => event(seq, "partial_result", { message_id: "m", text }, fields);
  const resumed = resume(5, { discard: { a1: 3 } });
  const story = tell([
    started,
    say(2, "one "),
    say(3, "two "),
    say(4, "void"),
    resumed,
    say(6, "three", { attempt: 2 }),
  ]);
  assert.deepEqual(textOf(story, "message"), ["one two three"]);
});

test("a resumed run cuts the text of the agents that it names, and of no others", () => {
  const nested = { agent_name: "data", agent_call_id: "a1.1", parent_call_id: "a1" };
  const events = [
    started,
    say(2, "a1.m1", "whole"),
    event(3, "agent_started", { input: "Task", model: null, tools: [] }, nested),
    event(4, "partial_result", { message_id: "a1.1.m1", text: "half" }, nested),
  ];
  const texts = (data) => textOf(tell([...events, resume(5, data)]), "message");
  assert.deepEqual(texts({ discard: { "a1.1": 3 } }), ["whole"]);
  assert.deepEqual(texts({ discard: { "a1.1": 3, constructor: 0 } }), ["whole"]);
  assert.deepEqual(texts({ discard: {} }), ["whole", "half"]);
  assert.deepEqual(texts({}), ["whole", "half"], "nothing is void in events that do not say so");
});

test("a tool call that is open when the run is resumed goes on until it is completed", () => {
  const resumed = [started, call(2), resume(3, { discard: {} })];
  const status = (events) => partsOfKind(tell(events), "tool")[0].status;
  assert.equal(status(resumed), "running");
  const done = { call_id: "a1.t2", tool_name: "add", status: "ok", duration_ms: 1, result: 3, error: null };
  assert.equal(status([...resumed, event(4, "tool_completed", done, { attempt: 2 })]), "ok");
});

test("a call of which nobody knows whether it happened is counted neither as done nor as failed", () => {
  assert.deepEqual(countWork(tell(golden("resumed"))), { agents: 0, tools: 2, failed: 0, unclear: 1 });
});

test("partial text of a stopped run is kept", () => {
  const story = tell(golden("cancelled_in_answer"));
  assert.equal(story.state, "cancelled");
  assert.match(answerOf(story).text, /most of it in$/);
});

test("a run that was stopped in the queue has a story too", () => {
  const story = tell(golden("cancelled_in_queue"));
  assert.deepEqual([story.state, answerOf(story).text], ["cancelled", null]);
});

test("a run that waits for a person says so until there is a decision", () => {
  const states = golden("approvals").map((_, index, events) => tell(events.slice(0, index + 1)).state);
  assert.deepEqual(states.slice(0, 4), ["running", "running", "waiting", "running"]);
  const decisions = partsOfKind(tell(golden("approvals")), "tool").map((tool) => tool.approval.decision);
  assert.deepEqual(decisions, ["approved", "denied", "expired"]);
  const edited = partsOfKind(tell(golden("approvals")), "tool").map((tool) => tool.approval.edited);
  assert.deepEqual(edited, [true, false, false]);
});

const ask = (seq, callId) =>
  event(seq, "approval_requested", {
    call_id: callId,
    tool_name: "add",
    arguments: { a: 1 },
    arguments_hash: "abc",
    expires_at: 99_000,
    editable: true,
  });
const decide = (seq, callId) => event(seq, "approval_resolved", { call_id: callId, decision: "approved", by: "usr_1" });
const names = (story) => waitingTools(story).map(({ agentName, tool }) => [agentName, tool.callId]);

test("a run waits as long as any of its calls does", () => {
  const events = [started, call(2), ask(3, "a1.t2"), call(4), ask(5, "a1.t4"), decide(6, "a1.t2"), decide(7, "a1.t4")];
  const after = (count) => tell(events.slice(0, count));
  assert.deepEqual(names(after(5)), [
    ["data", "a1.t2"],
    ["data", "a1.t4"],
  ]);
  assert.deepEqual([after(6).state, names(after(6))], ["waiting", [["data", "a1.t4"]]]);
  assert.deepEqual([after(7).state, names(after(7))], ["running", []]);
});

test("a waiting call knows what the card needs, before and after a resume", () => {
  const events = [started, call(2), ask(3, "a1.t2"), resume(4, { discard: {} })];
  for (const count of [3, 4]) {
    const [{ tool }] = waitingTools(tell(events.slice(0, count)));
    const { expiresAt, hash, editable, decision } = tool.approval;
    assert.deepEqual([expiresAt, hash, editable, decision], [99_000, "abc", true, null]);
  }
});

test("an approval of an older writer can be shown too", () => {
  const old = event(3, "approval_requested", { call_id: "a1.t2", arguments: { a: 1 }, expires_at: 9 });
  const [{ tool }] = waitingTools(tell([started, call(2), old]));
  assert.deepEqual([tool.name, tool.approval.hash, tool.approval.editable], ["add", "", false]);
});

test("the agents around a waiting call are known, so that none of them is folded", () => {
  const events = golden("cancelled_in_approval");
  assert.deepEqual(waitingCalls(tell(events.slice(0, 6))), new Set(["a1.1", "a1"]));
  assert.deepEqual(waitingCalls(tell(events)), new Set());
});

test("a stop while a person is asked ends the question and keeps the text", () => {
  const story = tell(golden("cancelled_in_approval"));
  const [tool] = partsOfKind(story, "tool");
  assert.deepEqual([story.state, tool.status, tool.approval.decision], ["cancelled", "cancelled", null]);
  assert.deepEqual([names(story), hasSpoken(story)], [[], true]);
  assert.deepEqual(textOf(story, "message"), ["I will remove what is out of date."]);
});

test("what was said before a stop is looked for among the steps only if it stands nowhere else", () => {
  assert.equal(keepsTextInSteps(tell(golden("cancelled_in_approval"))), true);
  assert.equal(keepsTextInSteps(tell(golden("cancelled_in_approval").slice(0, 6))), false, "not before its end");
  assert.equal(keepsTextInSteps(tell(golden("cancelled_in_answer"))), false);
  assert.equal(keepsTextInSteps(tell(golden("crew_answer"))), false);
});

test("the story of a run that is lost ends, with what was told of it", () => {
  const story = abandon(tell(golden("cancelled_in_approval").slice(0, 6)), 5_000);
  assert.deepEqual([story.state, isFinished(story), names(story)], ["failed", true, []]);
  assert.equal(partsOfKind(story, "tool")[0].status, "interrupted");
  assert.deepEqual(textOf(story, "message"), ["I will remove what is out of date."]);
});

test("an answer that is not text is kept as it is", () => {
  assert.deepEqual(answerOf(tell(golden("approvals"))).result, { deleted: 1, kept: 2 });
});

test("what a nested agent has said already is not said again as its result", () => {
  const story = tell(golden("crew_answer"));
  assert.equal(unsaidResult(story.calls["a1.1"]), null);
  assert.equal(unsaidResult({ ...story.calls["a1.1"], result: "something else" }), "something else");
});

test("an unknown type is kept, with its data", () => {
  const story = tell([started, event(2, "agent_dreamt", { of: "sheep" })]);
  assert.deepEqual(partsOfKind(story, "unknown"), [
    { kind: "unknown", key: "u:2", type: "agent_dreamt", data: { of: "sheep" } },
  ]);
});

test("an unknown type named like a property of every object is kept too", () => {
  const story = tell([started, event(2, "constructor", null)]);
  assert.equal(partsOfKind(story, "unknown")[0].type, "constructor");
});

test("a tool call that the last event leaves open is shown as interrupted", () => {
  const open = event(2, "tool_executing", { call_id: "a1.t1", tool_name: "query", arguments: {}, purpose: null });
  const end = event(
    3,
    "agent_failed",
    { error: { code: "worker_lost", message: "Lost.", retryable: true } },
    { terminal: true },
  );
  assert.equal(partsOfKind(tell([started, open, end]), "tool")[0].status, "interrupted");
});

test("a log whose beginning is gone is still told from where it starts", () => {
  const nested = { agent_call_id: "a1.2", parent_call_id: "a1", agent_name: "reporting" };
  const said = event(501, "partial_result", { message_id: "m", text: "late" }, nested);
  const story = tell([
    said,
    event(502, "agent_completed", { result: "late", duration_ms: 1, usage: {} }, { terminal: true }),
  ]);
  assert.deepEqual(
    [story.state, story.calls["a1.2"].parentId, textOf(story, "message")],
    ["completed", "a1", ["late"]],
  );
});

test("what an event does not touch stays the same object", () => {
  const events = golden("crew_answer");
  const before = tell(events.slice(0, 60));
  const after = reduce(before, events[60]);
  const touched = Object.keys(after.calls).filter((id) => after.calls[id] !== before.calls[id]);
  assert.ok(touched.length <= 2, `touched ${touched}`);
});

test("five thousand events are told in less than two seconds", () => {
  const says = Array.from({ length: 5_000 }, (_, index) =>
    event(index + 2, "partial_result", { message_id: "m", text: "word " }),
  );
  const began = performance.now();
  tell([started, ...says]);
  assert.ok(performance.now() - began < 2_000);
});
