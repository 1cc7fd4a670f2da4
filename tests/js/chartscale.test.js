import assert from "node:assert/strict";
import { test } from "node:test";

import { labelStride, positionsOf, scale, slicesOf, ticksOf, valuesOf } from "../../web/static/js/chartscale.js";

test("ticks are round and cover all values", () => {
  assert.deepEqual(ticksOf(0, 421_950), [0, 100_000, 200_000, 300_000, 400_000, 500_000]);
  assert.deepEqual(ticksOf(-3, 3, 3), [-4, -2, 0, 2, 4]);
});

test("ticks of one value alone, and of nothing but zero, still make an axis", () => {
  assert.ok(ticksOf(7, 7).length > 1);
  assert.ok(ticksOf(0, 0).length > 1);
});

test("a scale maps its ends", () => {
  const place = scale(0, 10, 200, 0);
  assert.deepEqual([place(0), place(5), place(10)], [200, 100, 0]);
  assert.equal(scale(1, 1, 5, 9)(1), 5);
});

test("missing values are no values", () => {
  assert.deepEqual(valuesOf([{ values: [1, null, "x", 2] }]), [1, 2]);
});

test("slices share the whole, and what is not above zero has none", () => {
  assert.deepEqual(slicesOf([1, 0, null, -4, 3]), [
    { index: 0, from: 0, to: 0.25 },
    { index: 4, from: 0.25, to: 1 },
  ]);
});

test("labels that are numbers are positions, others are counted", () => {
  assert.deepEqual(positionsOf(["1.5", "3"]), [1.5, 3]);
  assert.deepEqual(positionsOf(["a", "3"]), [0, 1]);
});

test("labels that would overlap are thinned out", () => {
  assert.equal(labelStride(["a", "b"], 500), 1);
  assert.ok(
    labelStride(
      Array.from({ length: 60 }, () => "2025-01"),
      500,
    ) > 5,
  );
});
