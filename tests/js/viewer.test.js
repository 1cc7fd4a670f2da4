import assert from "node:assert/strict";
import { test } from "node:test";

import { viewerId } from "../../web/static/js/viewer.js";

function storage(items = {}) {
  const kept = new Map(Object.entries(items));
  return { getItem: (key) => kept.get(key) ?? null, setItem: (key, value) => kept.set(key, value) };
}

test("a tab has one id, which a reload keeps", () => {
  const tab = storage();
  assert.match(viewerId(tab), /^[0-9a-f]{16}$/);
  assert.equal(viewerId(tab), viewerId(tab));
});

test("two tabs have two ids", () => {
  assert.notEqual(viewerId(storage()), viewerId(storage()));
});

test("nonsense in the storage is replaced", () => {
  assert.match(viewerId(storage({ "outloud.viewer": "x&admin=1" })), /^[0-9a-f]{16}$/);
});
