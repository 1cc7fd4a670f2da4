import assert from "node:assert/strict";
import { test } from "node:test";

import { Poller } from "../../web/static/js/ops/poller.js";
import {
  attemptWords,
  eventWords,
  holdWords,
  news,
  runState,
  shortId,
  steadyOrder,
  workerSign,
  workerState,
} from "../../web/static/js/ops/words.js";

const run = {
  state: "running",
  hold: "held",
  attempt: 1,
  losses: 0,
  lease_left_ms: 8_000,
  silent_ms: 2_000,
  quiet_ms: 500,
  waited_ms: 0,
  decide_ms: 0,
  last_seq: 12,
  stopping_by: "",
};
const about = { host: "box", pid: 7, runs: 3, draining: false };

test("ids are shortened to what tells them apart", () => {
  assert.equal(shortId("run_0123456789abcdef"), "run_012345");
  assert.equal(shortId("whatever_it"), "whatever_it");
});

test("a run says who has it and for how long, grown by the age of the news", () => {
  assert.equal(holdWords(run, 3_000), "5 s left");
  assert.equal(holdWords({ ...run, hold: "silent", silent_ms: 6_000, lease_left_ms: 4_000 }, 1_000), "silent for 7 s, lost in 3 s");
  assert.equal(holdWords({ ...run, hold: "lapsed", silent_ms: 12_000 }), "silent for 12 s");
  assert.equal(holdWords({ ...run, state: "queued", hold: "none", silent_ms: 12_000 }), "silent for 12 s");
  assert.equal(holdWords({ ...run, state: "queued", hold: "none", silent_ms: 0, waited_ms: 4_000 }), "waits for 4 s");
  assert.equal(holdWords({ ...run, state: "waiting", hold: "none", decide_ms: 90_000 }), "1 min 30 s to decide");
  assert.equal(holdWords({ ...run, state: "completed", hold: "none" }), "");
});

test("a state is words, not only a colour, and what is wrong comes before what it is called", () => {
  assert.deepEqual(runState(run), { text: "Running", tone: "good" });
  assert.equal(runState({ ...run, stopping_by: "user" }).text, "Stopping");
  assert.equal(runState({ ...run, stopping_by: "user", hold: "lapsed" }).text, "Worker lost");
  assert.equal(runState({ ...run, hold: "silent" }).text, "Worker silent");
  assert.equal(runState({ ...run, state: "queued", hold: "none", silent_ms: 1 }).text, "Queued again");
  assert.equal(runState({ ...run, state: "failed", hold: "none" }).text, "Failed");
});

test("a run that has written nothing for long says so", () => {
  assert.equal(eventWords(run, 60_000), "12");
  assert.equal(eventWords({ ...run, quiet_ms: 120_000 }, 1_000), "12, 2 min 1 s ago");
});

test("lost workers are counted beside the attempt", () => {
  assert.equal(attemptWords(run), "1");
  assert.equal(attemptWords({ attempt: 3, losses: 2 }), "3, 2 lost");
});

test("a worker that is gone says when it was seen and what it had", () => {
  assert.equal(workerSign({ life: "alive", silent_ms: 2_000, about }, 1_000), "3 s ago");
  assert.equal(workerSign({ life: "gone", silent_ms: 14_000, about }), "last seen 14 s ago, with 3 runs");
  assert.equal(workerSign({ life: "gone", silent_ms: 14_000, about: null }), "last seen 14 s ago");
  assert.equal(workerState({ life: "alive", about: { ...about, draining: true } }).text, "Stopping");
  assert.equal(workerState({ life: "alive", about: null }).text, "Alive");
});

test("only what matters is news", () => {
  const look = { totals: { without_worker: 0 }, workers: [], failures: [] };
  const worker = { worker_id: "wrk_1", life: "alive", silent_ms: 1_000, about };
  assert.deepEqual(news(null, look), []);
  assert.deepEqual(news(look, { ...look, workers: [worker] }), []);
  const gone = { ...worker, life: "gone", silent_ms: 16_000 };
  assert.deepEqual(news({ ...look, workers: [worker] }, { ...look, workers: [gone] }), [
    "A worker is gone: box, process 7, last seen 16 s ago, with 3 runs.",
  ]);
  assert.deepEqual(news({ ...look, workers: [gone] }, { ...look, workers: [gone] }), []);
  assert.deepEqual(news(look, { ...look, totals: { without_worker: 2 } }), ["2 runs without a worker."]);
  assert.deepEqual(news(look, { ...look, failures: [{ run_id: "a" }] }), ["1 more run failed."]);
});

test("lines do not move while somebody points at one", () => {
  const items = [{ key: "c" }, { key: "a" }, { key: "new" }, { key: "b" }];
  const keys = (isHeld) => steadyOrder(["a", "b", "gone", "c"], items, isHeld).map(({ key }) => key).join();
  assert.equal(keys(false), "c,a,new,b");
  assert.equal(keys(true), "a,b,c,new");
});

test("nothing is asked while nobody looks, and one call at a time", async () => {
  let isVisible = false;
  let calls = 0;
  let answer = null;
  const heard = [];
  const poller = new Poller({
    load: () => {
      calls += 1;
      return new Promise((resolve, reject) => (answer = { resolve, reject }));
    },
    every: 100_000,
    isVisible: () => isVisible,
    onData: (value) => heard.push(value),
    onFailure: (error) => heard.push(error.message),
  });
  await poller.start();
  assert.equal(calls, 0);

  isVisible = true;
  const first = poller.look();
  await poller.look();
  assert.equal(calls, 1);
  answer.resolve("told");
  await first;
  const second = poller.look();
  answer.reject(new Error("away"));
  await second;
  assert.deepEqual(heard, ["told", "away"]);

  const last = poller.look();
  poller.stop();
  answer.resolve("too late");
  await last;
  assert.deepEqual(heard, ["told", "away"]);
});
