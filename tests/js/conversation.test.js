import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { ApiError } from "../../web/static/js/api.js";
import { Conversation, isOver, isUnfinished } from "../../web/static/js/conversation.js";
import { Outbox } from "../../web/static/js/outbox.js";
import { golden } from "./golden.js";

const RUN = {
  run_id: "run_1",
  thread_id: "thr_1",
  agent: "triage",
  message: "Question",
  state: "running",
  stopping: false,
  created_at: 1,
};

let calls, answers, followed, storage, problems, threads;

const api = new Proxy(
  {},
  {
    get:
      (_, name) =>
      async (...args) => {
        calls.push([name, ...args]);
        const answer = answers[name];
        if (answer instanceof Error) throw answer;
        return typeof answer === "function" ? answer(...args) : answer;
      },
  },
);

const subscriptions = {
  has: (runId) => followed.has(runId),
  follow: (runId, position) => followed.set(runId, position ?? null),
  leave: (runId) => followed.delete(runId),
  shown: () => {},
};

beforeEach(() => {
  calls = [];
  answers = { startRun: { run_id: "run_1", thread_id: "thr_1", state: "queued" } };
  followed = new Map();
  problems = [];
  threads = [];
  const items = new Map();
  storage = {
    getItem: (key) => items.get(key) ?? null,
    setItem: (key, value) => items.set(key, value),
    removeItem: (key) => items.delete(key),
  };
});

function open(threadId) {
  const on = {
    onChange: () => {},
    onTurns: () => {},
    onThread: (id) => threads.push(id),
    onProblem: (error) => problems.push(error.message),
  };
  return new Conversation({ threadId, api, outbox: new Outbox({ storage }), subscriptions, ...on });
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

function failure(message, fields) {
  return Object.assign(new Error(message), fields);
}

test("a message is shown at once, then becomes the run that the server made of it", async () => {
  const chat = open(null);
  chat.send("Question", null);
  assert.deepEqual(
    chat.turns.map(({ question, phase }) => [question, phase]),
    [["Question", "pending"]],
  );
  await settled();
  assert.deepEqual([chat.turns[0].phase, chat.turns[0].runId, chat.threadId], ["accepted", "run_1", "thr_1"]);
  assert.ok(followed.has("run_1"));
  assert.deepEqual(threads, ["thr_1"]);
});

test("a message that failed is sent again with the same key", async () => {
  const chat = open(null);
  answers.startRun = failure("Away.", { retryable: true });
  chat.send("Question", null);
  await settled();
  assert.deepEqual([chat.turns[0].phase, chat.turns[0].error.message], ["failed", "Away."]);
  answers.startRun = { run_id: "run_1", thread_id: "thr_1" };
  chat.resend(chat.turns[0]);
  await settled();
  const keys = calls.filter(([name]) => name === "startRun").map(([, request]) => request.idempotency_key);
  assert.equal(keys.length, 2);
  assert.equal(keys[0], keys[1]);
  assert.equal(chat.turns[0].phase, "accepted");
});

test("a message on its way when the page was reloaded is sent again with its key", async () => {
  answers.startRun = () => new Promise(() => {});
  open(null).send("Question", null);
  answers.startRun = { run_id: "run_1", thread_id: "thr_1" };
  const reloaded = open(null);
  reloaded.deliverPending();
  await settled();
  const [first, second] = calls.filter(([name]) => name === "startRun").map(([, request]) => request.idempotency_key);
  assert.equal(first, second);
  assert.deepEqual(new Outbox({ storage }).of(null), []);
});

test("a run that ended while there was no connection is read to its end", async () => {
  const events = golden("simple_answer").map((event) => ({ ...event, run_id: "run_1" }));
  answers.thread = { title: "T", runs: [RUN] };
  const chat = open("thr_1");
  await chat.refresh();
  chat.tell("run_1", events.slice(0, 3));
  answers.thread = { title: "T", runs: [{ ...RUN, state: "completed" }] };
  answers.events = { events: events.slice(3), more: false, reset: false };
  await chat.refresh();
  await settled();
  assert.deepEqual([chat.turns[0].story.state, chat.turns[0].story.seq], ["completed", events.length]);
});

test("a message that the server has refused is not sent again unasked, one that did not reach it is", async () => {
  const chat = open(null);
  answers.startRun = failure("Too many at once.", { retryable: true, code: "limit_reached" });
  chat.send("Refused", null);
  await settled();
  assert.deepEqual([chat.hasUnreached, chat.hasUnsent], [false, true]);
  answers.startRun = failure("Away.", { retryable: true, code: "store_unavailable" });
  chat.send("Unreached", null);
  await settled();
  assert.equal(chat.hasUnreached, true);
  answers.startRun = { run_id: "run_1", thread_id: "thr_1" };
  chat.resendUnreached();
  await settled();
  assert.deepEqual(
    chat.turns.map(({ question, phase }) => [question, phase]),
    [
      ["Refused", "failed"],
      ["Unreached", "accepted"],
    ],
  );
});

test("when the network is back, only what may work now is sent again", async () => {
  const chat = open(null);
  answers.startRun = failure("Too long.", { retryable: false });
  chat.send("Question", null);
  await settled();
  chat.resendUnreached();
  await settled();
  assert.equal(calls.length, 1);
});

test("an unfinished run is followed, a finished one is read when it is wanted", async () => {
  const done = { ...RUN, run_id: "run_0", state: "completed", created_at: 0 };
  answers.thread = { title: "T", runs: [done, RUN] };
  const chat = open("thr_1");
  await chat.refresh();
  assert.deepEqual([...followed.keys()], ["run_1"]);
  assert.deepEqual(
    chat.turns.map(({ runId, loaded }) => [runId, loaded]),
    [
      ["run_0", "no"],
      ["run_1", "yes"],
    ],
  );
});

test("a finished run is read page by page", async () => {
  const events = golden("crew_answer");
  const done = { ...RUN, run_id: events[0].run_id, state: "completed" };
  answers.thread = { title: "T", runs: [done] };
  answers.events = (runId, after) => {
    const from = Number.parseInt(after, 10);
    return { events: events.slice(from, from + 30), more: from + 30 < events.length, reset: false };
  };
  const chat = open("thr_1");
  await chat.refresh();
  await chat.loadStory(chat.turns[0]);
  assert.equal(chat.turns[0].story.seq, events.length);
  assert.deepEqual(
    calls.filter(([name]) => name === "events").map(([, , after]) => after),
    [0, events[29].cursor, events[59].cursor],
  );
});

test("a page that says reset starts the story over", async () => {
  const events = golden("simple_answer");
  answers.thread = { title: "T", runs: [{ ...RUN, run_id: events[0].run_id, state: "completed" }] };
  const pages = [
    { events: events.slice(0, 4), more: true, reset: false },
    { events, more: false, reset: true },
  ];
  answers.events = () => pages.shift();
  const chat = open("thr_1");
  await chat.refresh();
  await chat.loadStory(chat.turns[0]);
  assert.equal(chat.turns[0].story.calls.a1.parts.length, 3);
});

test("a refresh that shows a run of another tab adds it once", async () => {
  answers.thread = { title: "T", runs: [RUN] };
  const chat = open("thr_1");
  await chat.refresh();
  await chat.refresh();
  assert.equal(chat.turns.length, 1);
});

const requests = () => calls.filter(([name]) => name === "startRun").map(([, request]) => request);

async function openBusy() {
  answers.thread = { title: "T", runs: [RUN] };
  const chat = open("thr_1");
  await chat.refresh();
  answers.startRun = { run_id: "run_2", thread_id: "thr_1", state: "queued", ahead: 1 };
  return chat;
}

test("a message that is sent while a run is going on waits for it, unless it is to stop it", async () => {
  const chat = await openBusy();
  chat.send("Second", null);
  await settled();
  answers.startRun = { run_id: "run_3", thread_id: "thr_1", state: "queued", ahead: 2 };
  chat.send("Third", null, "interrupt");
  await settled();
  assert.deepEqual(
    requests().map((request) => [request.message, request.when_busy]),
    [
      ["Second", "queue"],
      ["Third", "interrupt"],
    ],
  );
  assert.deepEqual(
    chat.turns.map(({ question, stopping }) => [question, stopping]),
    [
      ["Question", true],
      ["Second", true],
      ["Third", false],
    ],
  );
});

test("an interrupting message that is refused stops nothing", async () => {
  const chat = await openBusy();
  answers.startRun = failure("A run is going on.", { code: "thread_busy", retryable: false });
  chat.send("Second", null, "interrupt");
  await settled();
  assert.deepEqual(
    chat.turns.map(({ phase, stopping }) => [phase, stopping]),
    [
      ["accepted", false],
      ["failed", false],
    ],
  );
});

test("of several unfinished turns the first is the active one, the others wait", async () => {
  const chat = await openBusy();
  chat.send("Second", null);
  assert.deepEqual([chat.activeTurn.question, isUnfinished(chat.turns[1])], ["Question", true]);
  await settled();
  assert.equal(chat.activeTurn.question, "Question");
  const events = golden("simple_answer").map((event) => ({ ...event, run_id: "run_1" }));
  chat.tell("run_1", events);
  assert.equal(chat.activeTurn.question, "Second");
});

test("messages are delivered one after another, in the order in which they were written", async () => {
  const chat = open(null);
  let accept;
  answers.startRun = () => new Promise((resolve) => (accept = resolve));
  chat.send("First", null);
  chat.send("Second", null);
  await settled();
  assert.equal(requests().length, 1);
  accept({ run_id: "run_1", thread_id: "thr_1" });
  await settled();
  assert.deepEqual(
    requests().map(({ message, thread_id: threadId }) => [message, threadId]),
    [
      ["First", undefined],
      ["Second", "thr_1"],
    ],
  );
});

test("a message stands below what it follows, though the server's clock is ahead of ours", async () => {
  const chat = await openBusy();
  const ahead = Date.now() + 3_600_000;
  answers.thread = { title: "T", runs: [{ ...RUN, created_at: ahead }] };
  await chat.refresh();
  chat.send("Second", null);
  await chat.refresh();
  assert.deepEqual(
    chat.turns.map(({ question }) => question),
    ["Question", "Second"],
  );
});

const waiting = (runId) => golden("cancelled_in_approval").slice(0, 6).map((event) => ({ ...event, run_id: runId }));

test("the calls that wait for a person are known as long as they do", async () => {
  const chat = await openBusy();
  chat.tell("run_1", waiting("run_1"));
  assert.deepEqual(
    chat.waitingTools.map(({ turn, agentName, tool }) => [turn.runId, agentName, tool.name]),
    [["run_1", "corpus_admin", "delete_document"]],
  );
  answers.cancelRun = { run_id: "run_1", state: "waiting", stopping: true };
  await chat.stop(chat.turns[0]);
  assert.deepEqual(chat.waitingTools, []);
});

for (const code of ["gone", "not_found"]) {
  test(`a run that was followed and is ${code} ends visibly, with what was told of it`, async () => {
    const chat = await openBusy();
    chat.tell("run_1", waiting("run_1"));
    chat.refuse("run_1", { code, message: "Lost." });
    const [turn] = chat.turns;
    assert.deepEqual([turn.isLost, isOver(turn), chat.activeTurn], [true, true, null]);
    assert.deepEqual(chat.waitingTools, []);
    assert.equal(turn.story.calls.a1.parts[0].text, "I will remove what is out of date.");
  });
}

test("a run that is refused for another reason is not lost", async () => {
  const chat = await openBusy();
  chat.refuse("run_1", { code: "too_many", message: "Too many." });
  assert.deepEqual([chat.turns[0].isLost, chat.turns[0].loaded], [false, "failed"]);
});

test("a run that has ended keeps its end, though the server has lost it since", async () => {
  const chat = await openBusy();
  chat.tell(
    "run_1",
    golden("simple_answer").map((event) => ({ ...event, run_id: "run_1" })),
  );
  chat.refuse("run_1", { code: "gone", message: "Lost." });
  assert.deepEqual([chat.turns[0].isLost, chat.turns[0].story.state], [false, "completed"]);
});

test("a thread that is gone is lost if a run in it goes on or is gone too, else it was deleted", async () => {
  const isLost = async (run) => {
    const chat = await openBusy();
    answers.run = run;
    return [await chat.isLost(), chat.turns[0].isLost];
  };
  assert.deepEqual(await isLost({ ...RUN, stopping: true }), [false, false]);
  assert.deepEqual(await isLost({ ...RUN, state: "cancelled" }), [false, false]);
  assert.deepEqual(await isLost(RUN), [true, false]);
  assert.deepEqual(await isLost(new ApiError("not_found", "No such run.", { status: 404 })), [true, true]);
  assert.deepEqual(await isLost(new ApiError("store_unavailable", "Away.", { status: 503 })), [false, false]);
});

test("a run whose events the server no longer knows is lost, one that cannot be reached is not", async () => {
  const chat = await openBusy();
  answers.thread = { title: "T", runs: [{ ...RUN, state: "failed" }] };
  answers.events = new ApiError("store_unavailable", "Away.", { status: 503 });
  await chat.refresh();
  await settled();
  assert.equal(chat.turns[0].isLost, false);
  answers.events = new ApiError("not_found", "No such run.", { status: 404 });
  await chat.refresh();
  await settled();
  assert.deepEqual([chat.turns[0].isLost, followed.size], [true, 0]);
});

test("a stop is shown until the story ends, and taken back when it did not reach the server", async () => {
  answers.thread = { title: "T", runs: [RUN] };
  const chat = open("thr_1");
  await chat.refresh();
  answers.cancelRun = { run_id: "run_1", state: "running", stopping: true };
  await chat.stop(chat.turns[0]);
  assert.equal(chat.turns[0].stopping, true);
  chat.turns[0].stopping = false;
  answers.cancelRun = failure("Away.");
  await chat.stop(chat.turns[0]);
  assert.deepEqual([chat.turns[0].stopping, problems], [false, ["Away."]]);
});

test("the run is over with its last event", async () => {
  const events = golden("simple_answer").map((event) => ({ ...event, run_id: "run_1" }));
  answers.thread = { title: "T", runs: [RUN] };
  const chat = open("thr_1");
  await chat.refresh();
  chat.tell("run_1", events.slice(0, -1));
  assert.equal(isOver(chat.turns[0]), false);
  chat.tell("run_1", events.slice(-1));
  assert.equal(isOver(chat.turns[0]), true);
  chat.rendered(chat.turns[0]);
  assert.equal(followed.size, 0);
});

test("a message that failed in a new chat goes to the thread that the next one has made", async () => {
  const chat = open(null);
  answers.startRun = failure("Away.", { retryable: true });
  chat.send("First", null);
  await settled();
  answers.startRun = { run_id: "run_2", thread_id: "thr_1" };
  chat.send("Second", null);
  await settled();
  assert.deepEqual(
    new Outbox({ storage }).of("thr_1").map(({ text }) => text),
    ["First"],
  );
  answers.startRun = { run_id: "run_1", thread_id: "thr_1" };
  chat.resend(chat.turns[0]);
  await settled();
  assert.equal(calls.at(-1)[1].thread_id, "thr_1");
});

test("a message that had reached the server as a thread of its own is not shown in this one", async () => {
  const chat = open("thr_1");
  answers.startRun = { run_id: "run_9", thread_id: "thr_9" };
  chat.send("Question", null);
  await settled();
  assert.deepEqual([chat.turns, chat.threadId, followed.size], [[], "thr_1", 0]);
});

test("what was refused for want of a sign-in is done once somebody is signed in again", async () => {
  const refusal = new ApiError("unauthenticated", "You are not signed in.", { status: 401 });
  const old = { ...RUN, state: "completed", outcome_seen_at: 1 };
  answers.thread = { thread_id: "thr_1", title: "Chat", runs: [old] };
  const chat = open("thr_1");
  await chat.refresh();
  answers.events = refusal;
  answers.startRun = refusal;
  await chat.loadStory(chat.turns[0]);
  chat.send("Another", null);
  await settled();
  assert.deepEqual([chat.turns[0].loaded, chat.turns[1].phase, chat.hasUnreached], ["failed", "failed", true]);

  answers.events = { events: [], more: false, reset: null };
  answers.startRun = { run_id: "run_2", thread_id: "thr_1" };
  chat.takeUp();
  await settled();

  assert.deepEqual([chat.turns[0].loaded, chat.turns[1].phase, chat.hasUnreached], ["yes", "accepted", false]);
  const keys = calls.filter(([name]) => name === "startRun").map(([, request]) => request.idempotency_key);
  assert.deepEqual([keys.length, new Set(keys).size], [2, 1]);
});
