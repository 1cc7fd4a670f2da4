import assert from "node:assert/strict";
import { test } from "node:test";

import {
  count,
  dayGroup,
  formatBytes,
  formatDuration,
  formatRemaining,
  formatRunningTime,
  plainLine,
  shorten,
} from "../../web/static/js/helpers/format.js";
import { FAILURE_CODES } from "../../web/static/js/contract.js";
import { decisionWords, failureWords, FAILURES } from "../../web/static/js/words.js";

test("durations are as exact as they are worth", () => {
  const shown = [0, 7, 380, 4_200, 12_400, 60_000, 185_000].map(formatDuration);
  assert.deepEqual(shown, ["0 ms", "7 ms", "0.4 s", "4.2 s", "12 s", "1 min", "3 min 5 s"]);
});

test("a growing duration counts whole seconds", () => {
  assert.deepEqual([-50, 400, 1_900, 61_500].map(formatRunningTime), ["0 s", "0 s", "1 s", "1 min 1 s"]);
});

test("the time that is left is told in the two units that matter", () => {
  const left = [-5, 1, 8_000, 60_000, 552_000, 3_600_000, 18_120_000, 97_200_000, 86_400_000, 200_000_000];
  assert.deepEqual(left.map(formatRemaining), [
    "0 s",
    "1 s",
    "8 s",
    "1 min",
    "9 min 12 s",
    "1 h",
    "5 h 2 min",
    "1 day 3 h",
    "1 day",
    "2 days",
  ]);
});

test("sizes have the unit that suits them", () => {
  assert.deepEqual([13, 1_400, 64_000, 5_242_880].map(formatBytes), ["13 B", "1.4 KB", "64 KB", "5.2 MB"]);
});

test("one is not many", () => {
  assert.deepEqual([count(1, "row"), count(2, "row"), count(0, "row")], ["1 row", "2 rows", "0 rows"]);
});

test("long text becomes one short line", () => {
  assert.equal(shorten("SELECT a,\n  b FROM t", 12), "SELECT a, b…");
});

test("threads are grouped by the calendar's days, not by hours", () => {
  const now = new Date(2026, 4, 10, 0, 30).getTime();
  const ago = (hours) => now - hours * 3_600_000;
  assert.deepEqual(
    [0.2, 1, 30, 24 * 5, 24 * 30].map((hours) => dayGroup(ago(hours), now)),
    ["Today", "Yesterday", "Previous 7 days", "Previous 7 days", "Older"],
  );
});

test("every failure of the contract has words, and there are words for no other", () => {
  assert.deepEqual(Object.keys(FAILURES).toSorted(), FAILURE_CODES.toSorted());
});

test("a failure does not say the same thing twice", () => {
  const message = "The model provider refused the key. Check it.";
  assert.deepEqual(failureWords({ code: "model_auth", message }), { title: FAILURES.model_auth, text: "Check it." });
  assert.deepEqual(failureWords({ code: "constructor", message: "Odd." }), {
    title: "Something went wrong",
    text: "Odd.",
  });
  assert.deepEqual(failureWords(undefined), { title: "Something went wrong", text: "" });
});

test("a call that needed a yes says who or what has decided", () => {
  const words = (decision, fields = {}, status = "ok") => decisionWords({ status, approval: { decision, ...fields } });
  assert.equal(words("approved", { edited: false }), "You allowed this call.");
  assert.equal(words("approved", { edited: true }), "You allowed this call with changed arguments.");
  assert.equal(words("denied", {}, "denied"), "You denied this call.");
  assert.equal(words("expired", {}, "denied"), "Nobody decided in time.");
  assert.equal(words(null, {}, "cancelled"), "Stopped before anyone decided.");
  assert.equal(words(null, {}, "interrupted"), "The run ended before anyone decided.");
});

test("Markdown in one line loses its marks, not its words", () => {
  const text = "## Question Which region? ## Findings **South** fell `a` | x | y | | --- | ---: | | 1 | 2 |";
  assert.equal(plainLine(text), "Question Which region? Findings South fell a x y 1 2");
  assert.equal(plainLine("the **mean**, `revenue`, of `a`"), "the mean, revenue, of a");
  assert.equal(plainLine("price -3 - 4, issue #12"), "price -3 - 4, issue #12");
});
