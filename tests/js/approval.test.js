import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { ApiError } from "../../web/static/js/api.js";
import { Approval } from "../../web/static/js/approval.js";

const AWAY = new ApiError("store_unavailable", "Away.", { status: 503 });
const TOOL = {
  callId: "a1.t1",
  arguments: { name: "•••" },
  approval: { hash: "of the event", editable: false, expiresAt: 9_000, decision: null },
};

let stored, sent, answer, changes, approval;

const api = {
  approval: async (runId, callId) => {
    assert.deepEqual([runId, callId], ["run_1", "a1.t1"]);
    if (stored instanceof Error) throw stored;
    return stored;
  },
  decide: async (runId, callId, decision) => {
    sent.push(decision);
    if (answer instanceof Error) throw answer;
    return answer ?? { run_id: runId, call_id: callId, decision: decision.decision, by: "usr_1", first: true };
  },
};

beforeEach(() => {
  stored = { arguments: { name: "a.md" }, arguments_hash: "exact", editable: true, expires_at: 8_000, decision: null };
  sent = [];
  answer = null;
  changes = 0;
  approval = new Approval({ api, runId: "run_1", tool: TOOL, onChange: () => (changes += 1) });
});

test("until the exact arguments are here, those of the event are shown, and nobody can allow them", async () => {
  assert.deepEqual([approval.arguments, approval.canAllow, approval.canDeny], [{ name: "•••" }, false, true]);
  await approval.allow();
  assert.deepEqual(sent, []);
  await approval.read();
  assert.deepEqual([approval.arguments, approval.canAllow], [{ name: "a.md" }, true]);
  assert.deepEqual([approval.editable, approval.expiresAt], [true, 8_000]);
});

test("a decision carries the hash of the arguments that were shown", async () => {
  await approval.read();
  await approval.allow();
  assert.deepEqual(sent, [{ decision: "approved", arguments_hash: "exact" }]);
  assert.deepEqual([approval.decision, approval.isConfirmed], ["approved", true]);
});

test("what nobody has read in full can still be denied", async () => {
  await approval.deny();
  assert.deepEqual(sent, [{ decision: "denied", arguments_hash: "of the event" }]);
});

test("changed arguments go along, unchanged ones do not", async () => {
  await approval.read();
  await approval.allow({ name: "b.md" });
  assert.deepEqual(sent, [{ decision: "approved", arguments_hash: "exact", arguments: { name: "b.md" } }]);
  const other = new Approval({ api, runId: "run_1", tool: TOOL, onChange: () => {} });
  await other.read();
  await other.allow({ name: "a.md" });
  assert.deepEqual(sent.at(-1), { decision: "approved", arguments_hash: "exact" });
});

test("while a decision is on its way there is no second one", async () => {
  await approval.read();
  const first = approval.allow();
  assert.deepEqual([approval.canAllow, approval.canDeny], [false, false]);
  await approval.deny();
  await first;
  assert.equal(sent.length, 1);
});

test("that somebody was faster is no error", async () => {
  await approval.read();
  answer = new ApiError("already_decided", "Too late.", { status: 409, detail: { decision: "denied", by: "usr_1" } });
  await approval.allow();
  assert.deepEqual([approval.decision, approval.isConfirmed, approval.error], ["denied", true, null]);
});

test("a time that was up is no error either", async () => {
  await approval.read();
  answer = new ApiError("expired", "The time to decide is over.", { status: 409 });
  await approval.allow();
  assert.deepEqual([approval.decision, approval.error], ["expired", null]);
});

test("what was decided before the card was there is known when it has been read", async () => {
  stored = { ...stored, decision: "expired" };
  await approval.read();
  assert.deepEqual([approval.decision, approval.canDeny], ["expired", false]);
});

test("after any other error the person can try again", async () => {
  await approval.read();
  answer = AWAY;
  await approval.allow();
  assert.deepEqual([approval.error, approval.canAllow], [AWAY, true]);
  answer = null;
  await approval.allow();
  assert.deepEqual([approval.error, approval.decision], [null, "approved"]);
});

test("arguments that are not those that were shown are shown before they can be allowed", async () => {
  await approval.read();
  answer = new ApiError("arguments_changed", "They have changed.", { status: 409 });
  stored = { ...stored, arguments: { name: "all.md" }, arguments_hash: "newer" };
  await approval.allow();
  assert.deepEqual([approval.arguments, approval.error.code], [{ name: "all.md" }, "arguments_changed"]);
  answer = null;
  await approval.allow();
  assert.equal(sent.at(-1).arguments_hash, "newer");
});

test("arguments that cannot be read can be read again", async () => {
  const asked = stored;
  stored = AWAY;
  await approval.read();
  assert.deepEqual([approval.error, approval.canAllow], [AWAY, false]);
  stored = asked;
  await approval.read();
  assert.deepEqual([approval.error, approval.canAllow], [null, true]);
});

test("every change is told", async () => {
  await approval.read();
  const before = changes;
  await approval.deny();
  assert.ok(changes >= before + 2, "under way, and confirmed");
});
