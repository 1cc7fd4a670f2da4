import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { Subscriptions } from "../../web/static/js/subscriptions.js";
import { FakeClock } from "./fakes.js";
import { event, golden, picture, tell } from "./golden.js";

let clock, sent, applied, told, isConnected, subscriptions;

beforeEach(() => {
  clock = new FakeClock();
  sent = [];
  applied = [];
  told = [];
  isConnected = true;
  subscriptions = new Subscriptions({
    clock,
    send: (frame) => isConnected && Boolean(sent.push(frame)),
    onEvents: (runId, events) => applied.push(...events.map(({ seq }) => seq)),
    onReset: (runId) => told.push(["reset", runId]),
    onLive: (runId) => told.push(["live", runId]),
    onRefused: (runId, error) => told.push(["refused", runId, error.code]),
  });
});

const at = (seq, fields = {}) => event(seq, "partial_result", { message_id: "m", text: String(seq) }, fields);

function follow() {
  subscriptions.follow("run_1");
  sent.length = 0;
}

test("a run is followed from its beginning, or from what is shown already", () => {
  subscriptions.follow("run_1");
  subscriptions.follow("run_2", { seq: 7, cursor: "7-0000abcd" });
  assert.deepEqual(sent, [
    { op: "subscribe", run_id: "run_1", after: 0 },
    { op: "subscribe", run_id: "run_2", after: "7-0000abcd" },
  ]);
});

test("events are applied in order, each once", () => {
  follow();
  for (const seq of [1, 2, 2, 1, 3]) subscriptions.receive(at(seq));
  assert.deepEqual(applied, [1, 2, 3]);
});

test("several events may come in one frame, of several runs", () => {
  follow();
  subscriptions.follow("run_2");
  subscriptions.receive([at(1), at(1, { run_id: "run_2" }), at(2)]);
  assert.deepEqual(applied, [1, 2, 1]);
});

test("a gap is asked for once, from the cursor, and nothing behind it is applied before it is filled", () => {
  follow();
  subscriptions.receive(at(1));
  for (const seq of [3, 4, 5]) subscriptions.receive(at(seq));
  assert.deepEqual(sent, [{ op: "subscribe", run_id: "run_1", after: "1-00000000" }]);
  subscriptions.receive([2, 3, 4, 5, 6].map((seq) => at(seq)));
  assert.deepEqual(applied, [1, 2, 3, 4, 5, 6]);
});

test("a second gap is asked for too", () => {
  follow();
  for (const seq of [1, 3, 2, 5]) subscriptions.receive(at(seq));
  assert.deepEqual(
    sent.map(({ after }) => after),
    ["1-00000000", "2-00000000"],
  );
});

test("a new connection goes on from the cursor of each run", () => {
  follow();
  subscriptions.receive(at(1));
  subscriptions.resume();
  assert.deepEqual(sent, [{ op: "subscribe", run_id: "run_1", after: "1-00000000" }]);
});

test("a reset tells to forget the run and takes its story from the beginning", () => {
  follow();
  subscriptions.receive([at(1), at(2)]);
  subscriptions.receive({ op: "reset", run_id: "run_1", reason: "forked", cursor: "0" });
  subscriptions.receive([at(1), at(2), at(3)]);
  assert.deepEqual(told, [["reset", "run_1"]]);
  assert.deepEqual(applied, [1, 2, 1, 2, 3]);
});

test("a reset to a log whose beginning is gone starts where that begins", () => {
  follow();
  subscriptions.receive({ op: "reset", run_id: "run_1", reason: "trimmed", cursor: "500-0000abcd" });
  subscriptions.receive([at(501), at(502)]);
  assert.deepEqual(applied, [501, 502]);
});

test("the last event is missed only if it is still missing one heartbeat later", () => {
  follow();
  subscriptions.receive([at(1), at(2)]);
  const beat = { op: "heartbeat", top: { run_1: 3 } };
  subscriptions.receive(beat);
  assert.deepEqual(sent, [{ op: "pong" }]);
  subscriptions.receive(beat);
  assert.deepEqual(sent.at(-1), { op: "subscribe", run_id: "run_1", after: "2-00000000" });
});

test("a log that is behind what was shown is asked again, so that it can say reset", () => {
  follow();
  subscriptions.receive([at(1), at(2)]);
  subscriptions.receive({ op: "heartbeat", top: { run_1: 1 } });
  assert.deepEqual(sent.at(-1), { op: "subscribe", run_id: "run_1", after: "2-00000000" });
});

test("what was shown is acknowledged at most once a second, with the newest number", async () => {
  follow();
  for (const seq of [1, 2, 3]) subscriptions.shown("run_1", seq);
  assert.deepEqual(sent, []);
  await clock.pass(1_000);
  assert.deepEqual(sent, [{ op: "ack", run_id: "run_1", seq: 3 }]);
});

test("leaving a run acknowledges at once what was shown, then unsubscribes", () => {
  follow();
  subscriptions.shown("run_1", 9);
  subscriptions.leave("run_1");
  assert.deepEqual(sent, [
    { op: "ack", run_id: "run_1", seq: 9 },
    { op: "unsubscribe", run_id: "run_1" },
  ]);
  assert.equal(subscriptions.size, 0);
});

test("an acknowledgement that could not be sent is sent with the next one", async () => {
  follow();
  isConnected = false;
  subscriptions.shown("run_1", 1);
  await clock.pass(1_000);
  isConnected = true;
  subscriptions.shown("run_1", 2);
  await clock.pass(1_000);
  assert.deepEqual(sent, [{ op: "ack", run_id: "run_1", seq: 2 }]);
});

test("a run that is refused is followed no longer, the others are", () => {
  follow();
  subscriptions.follow("run_2");
  subscriptions.receive({ op: "error", code: "not_found", message: "no such run", run_id: "run_1" });
  assert.deepEqual(told, [["refused", "run_1", "not_found"]]);
  assert.equal(subscriptions.size, 1);
});

test("events of a run that nobody follows are ignored", () => {
  follow();
  subscriptions.receive(at(1, { run_id: "run_9" }));
  assert.deepEqual(applied, []);
});

test("a client cut off twenty times shows what an undisturbed one shows", () => {
  const events = golden("crew_answer");
  const runId = events[0].run_id;
  const got = [];
  let after = 0;
  const cut = new Subscriptions({
    clock,
    send: (frame) => (frame.op === "subscribe" && (after = Number.parseInt(frame.after, 10)), true),
    onEvents: (_, batch) => got.push(...batch),
    onReset: () => assert.fail("no reset was sent"),
    onLive: () => {},
    onRefused: () => {},
  });
  cut.follow(runId);
  for (let round = 1; round <= 20; round += 1) {
    const from = Math.max(0, after - (round % 3));
    for (const next of events.slice(from, from + 4 + (round % 5))) cut.receive(next);
    cut.resume();
  }
  cut.receive(events.slice(after));
  assert.deepEqual(picture(tell(got)), picture(tell(events)));
});

test("what was shown while there is no connection is told to the next one, and only then is the run left", () => {
  follow();
  subscriptions.receive(at(1));
  isConnected = false;
  subscriptions.shown("run_1", 1);
  subscriptions.leave("run_1");
  assert.equal(subscriptions.size, 1);
  isConnected = true;
  sent.length = 0;
  subscriptions.resume();
  assert.deepEqual(sent, [
    { op: "subscribe", run_id: "run_1", after: "1-00000000" },
    { op: "ack", run_id: "run_1", seq: 1 },
    { op: "unsubscribe", run_id: "run_1" },
  ]);
  assert.equal(subscriptions.size, 0);
});

test("a run that is followed again before it could be left is followed on", () => {
  follow();
  isConnected = false;
  subscriptions.shown("run_1", 1);
  subscriptions.leave("run_1");
  subscriptions.follow("run_1");
  isConnected = true;
  subscriptions.resume();
  assert.equal(subscriptions.size, 1);
});
