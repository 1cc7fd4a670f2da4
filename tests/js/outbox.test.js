import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { Outbox } from "../../web/static/js/outbox.js";

class FakeStorage {
  #items = new Map();
  getItem = (key) => this.#items.get(key) ?? null;
  setItem = (key, value) => this.#items.set(key, value);
  removeItem = (key) => this.#items.delete(key);
  key = (place) => [...this.#items.keys()][place] ?? null;
  get length() {
    return this.#items.size;
  }
}

let storage, outbox;

beforeEach(() => {
  storage = new FakeStorage();
  outbox = new Outbox({ storage });
});

const message = { threadId: null, text: "Hello", agent: null, whenBusy: "queue" };

test("a message that was not confirmed survives a reload, with its key", () => {
  const { key } = outbox.add(message);
  const [kept] = new Outbox({ storage }).of(null);
  assert.deepEqual([kept.key, kept.text, kept.phase], [key, "Hello", "pending"]);
});

test("a message that was not confirmed still knows whether it may stop what is going on", () => {
  outbox.add({ ...message, whenBusy: "interrupt" });
  assert.equal(new Outbox({ storage }).of(null)[0].whenBusy, "interrupt");
});

test("keys are random and acceptable to the server", () => {
  const keys = new Set(Array.from({ length: 50 }, () => outbox.add(message).key));
  assert.equal(keys.size, 50);
  for (const key of keys) assert.match(key, /^[0-9a-f]{32}$/);
});

test("a failure is remembered, a confirmed message forgotten", () => {
  const { key } = outbox.add({ ...message, threadId: "thr_1" });
  outbox.change(key, { phase: "failed", error: { message: "Away." } });
  assert.equal(outbox.of("thr_1")[0].error.message, "Away.");
  outbox.remove(key);
  assert.deepEqual(outbox.of("thr_1"), []);
});

test("each thread has its own messages and its own draft", () => {
  outbox.add({ ...message, threadId: "thr_1" });
  outbox.saveDraft("thr_1", "half a thou");
  assert.deepEqual(outbox.of("thr_2"), []);
  assert.deepEqual([outbox.draft("thr_1"), outbox.draft("thr_2"), outbox.draft(null)], ["half a thou", "", ""]);
});

test("a storage that holds nonsense is an empty outbox", () => {
  storage.setItem("outloud.outbox", "{not json");
  assert.deepEqual(outbox.of(null), []);
});

test("what one person has left is not shown to the next, and nothing else is thrown away", () => {
  storage.setItem("outloud.viewer", "0123456789abcdef");
  outbox.belongTo("usr_a");
  outbox.add(message);
  outbox.saveDraft(null, "half a");
  outbox.saveDraft("thr_1", "thought");
  outbox.belongTo("usr_a");
  assert.deepEqual([outbox.of(null).length, outbox.draft(null), outbox.draft("thr_1")], [1, "half a", "thought"]);
  outbox.belongTo("usr_b");
  assert.deepEqual([outbox.of(null).length, outbox.draft(null), outbox.draft("thr_1")], [0, "", ""]);
  assert.equal(storage.getItem("outloud.viewer"), "0123456789abcdef");
});

test("what was typed before anybody signed in belongs to who does", () => {
  outbox.saveDraft(null, "half a thought");
  outbox.belongTo("usr_a");
  assert.equal(outbox.draft(null), "half a thought");
});
