import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { Connection } from "../../web/static/js/connection.js";
import { CLOSE_CODES, HEARTBEAT_SECONDS, STOP_CLOSE_CODES } from "../../web/static/js/contract.js";
import { backoff, Monitor } from "../../web/static/js/monitor.js";
import { FakeClock, FakeSocket } from "./fakes.js";

const HEARTBEAT = HEARTBEAT_SECONDS * 1_000;

let clock, states, frames, renewals, isSignedIn, isWanted, monitor;

beforeEach(() => {
  FakeSocket.all = [];
  clock = new FakeClock();
  states = [];
  frames = [];
  renewals = 0;
  isSignedIn = true;
  isWanted = true;
  monitor = new Monitor({
    connect: (handlers) => new Connection("ws://test/ws", handlers, { WebSocket: FakeSocket }),
    clock,
    random: () => 1,
    isWanted: () => isWanted,
    renew: async () => {
      renewals += 1;
      return isSignedIn;
    },
    onOpen: () => {},
    onFrame: (frame) => frames.push(frame),
    onState: (state, code) => states.push([state, code]),
  });
});

function letIn() {
  FakeSocket.last.open();
  FakeSocket.last.receive({ op: "subscribed", run_id: "run_1" });
  frames = [];
}

function connect() {
  monitor.start();
  letIn();
}

test("the delay is anywhere between nothing and half a second doubled with every try, up to thirty seconds", () => {
  assert.deepEqual(
    [0, 1, 2, 5, 6, 20].map((tries) => backoff(tries, () => 1)),
    [500, 1_000, 2_000, 16_000, 30_000, 30_000],
  );
  assert.equal(
    backoff(4, () => 0),
    0,
  );
  assert.equal(
    backoff(4, () => 0.5),
    4_000,
  );
});

test("a lost connection is tried again, later each time", async () => {
  connect();
  FakeSocket.last.closeByServer(1006);
  for (const delay of [500, 1_000, 2_000, 4_000]) {
    const before = FakeSocket.all.length;
    await clock.pass(delay - 1);
    assert.equal(FakeSocket.all.length, before);
    await clock.pass(1);
    assert.equal(FakeSocket.all.length, before + 1);
    FakeSocket.last.closeByServer(1006);
  }
});

test("ten stable seconds make the next delay short again, nine do not", async () => {
  connect();
  FakeSocket.last.closeByServer(1006);
  await clock.pass(500);
  letIn();
  await clock.pass(9_000);
  FakeSocket.last.closeByServer(1006);
  await clock.pass(999);
  assert.equal(monitor.state, "waiting");
  await clock.pass(1);
  letIn();
  await clock.pass(10_000);
  FakeSocket.last.closeByServer(1006);
  await clock.pass(500);
  assert.equal(monitor.state, "connecting");
});

for (const code of STOP_CLOSE_CODES) {
  test(`close code ${code} stops the client`, async () => {
    connect();
    FakeSocket.last.closeByServer(code);
    await clock.pass(120_000);
    assert.deepEqual(states.at(-1), ["stopped", code]);
    assert.equal(FakeSocket.all.length, 1);
  });
}

for (const code of [1001, 1006, 1012, 1013, CLOSE_CODES.TOO_SLOW, CLOSE_CODES.TOO_MANY]) {
  test(`close code ${code} is resumed`, async () => {
    connect();
    FakeSocket.last.closeByServer(code);
    await clock.pass(500);
    assert.equal(FakeSocket.all.length, 2);
  });
}

test("a restarting server names the delay", async () => {
  connect();
  FakeSocket.last.receive({ op: "bye", retry_ms: 3_300 });
  FakeSocket.last.closeByServer(CLOSE_CODES.RESTARTING);
  await clock.pass(3_299);
  assert.equal(monitor.state, "waiting");
  await clock.pass(1);
  assert.equal(monitor.state, "connecting");
});

test("before it comes back from 'sign in again', the client signs in", async () => {
  connect();
  FakeSocket.last.closeByServer(CLOSE_CODES.SIGN_IN);
  await clock.pass(500);
  await Promise.resolve();
  assert.deepEqual([renewals, FakeSocket.all.length], [1, 2]);
});

test("if nobody is signed in any more, it waits until it is told that somebody is", async () => {
  connect();
  isSignedIn = false;
  FakeSocket.last.closeByServer(CLOSE_CODES.SIGN_IN);
  await clock.pass(500);
  await Promise.resolve();
  assert.deepEqual(states.at(-1), ["stopped", CLOSE_CODES.SIGN_IN]);
  monitor.wake();
  monitor.replace();
  await clock.pass(120_000);
  assert.deepEqual([renewals, FakeSocket.all.length], [1, 1]);
  isSignedIn = true;
  monitor.start();
  letIn();
  assert.deepEqual([monitor.state, FakeSocket.alive.length], ["open", 1]);
});

test("a socket that is silent for two and a half heartbeats is taken for dead", async () => {
  connect();
  await clock.pass(2.5 * HEARTBEAT - 1);
  assert.equal(monitor.state, "open");
  await clock.pass(1);
  assert.equal(monitor.state, "waiting");
  assert.ok(FakeSocket.all[0].isClosedByPage);
});

test("any frame shows that the socket lives", async () => {
  connect();
  for (let beat = 0; beat < 5; beat += 1) {
    await clock.pass(2 * HEARTBEAT);
    FakeSocket.last.receive({ op: "heartbeat", top: {} });
  }
  assert.deepEqual([monitor.state, FakeSocket.all.length], ["open", 1]);
});

test("an attempt that gets no answer is given up", async () => {
  monitor.start();
  await clock.pass(15_000);
  assert.equal(monitor.state, "waiting");
});

test("a page that is seen again tries at once", async () => {
  connect();
  FakeSocket.last.closeByServer(1006);
  monitor.wake();
  assert.equal(monitor.state, "connecting");
  await clock.pass(500);
  assert.equal(FakeSocket.all.length, 2, "the timer of the old try must not fire");
});

test("waking a connection that is well changes nothing, waking one that has been silent replaces it", async () => {
  connect();
  monitor.wake();
  assert.equal(FakeSocket.all.length, 1);
  await clock.pass(1.5 * HEARTBEAT);
  monitor.wake();
  assert.equal(FakeSocket.all.length, 2);
});

test("a network that has come back replaces even an open socket", () => {
  connect();
  monitor.replace();
  assert.equal(FakeSocket.all.length, 2);
  assert.ok(FakeSocket.all[0].isClosedByPage);
});

test("there are never two sockets", async () => {
  connect();
  for (const disturb of [
    () => monitor.replace(),
    () => monitor.wake(),
    () => monitor.start(),
    () => FakeSocket.last.closeByServer(1006),
  ]) {
    disturb();
    await clock.pass(700);
    assert.ok(FakeSocket.alive.length <= 1);
  }
});

test("nothing of an old socket is heard any more", () => {
  connect();
  const old = FakeSocket.last;
  monitor.replace();
  letIn();
  old.receive({ op: "live", run_id: "old" });
  old.onclose({ code: 4403 });
  assert.deepEqual(frames, []);
  assert.equal(monitor.state, "open");
});

test("a frame that is not JSON makes the client start over", async () => {
  connect();
  FakeSocket.last.receive("{broken");
  await clock.pass(500);
  assert.equal(FakeSocket.all.length, 2);
});

test("a connection that nobody needs is not opened again", async () => {
  connect();
  isWanted = false;
  FakeSocket.last.closeByServer(1006);
  await clock.pass(120_000);
  assert.deepEqual([monitor.state, FakeSocket.all.length], ["idle", 1]);
  monitor.start();
  assert.equal(FakeSocket.all.length, 2);
});

test("a server that opens the socket only to refuse it is never taken for a connection", async () => {
  monitor.start();
  for (let tries = 0; tries < 4; tries += 1) {
    FakeSocket.last.open();
    FakeSocket.last.closeByServer(CLOSE_CODES.TOO_MANY);
    await clock.pass(500 * 2 ** tries);
  }
  assert.deepEqual(new Set(states.map(([state]) => state)), new Set(["connecting", "waiting"]));
});

test("what is to be said first goes out before the server has spoken", () => {
  monitor.start();
  FakeSocket.last.open();
  assert.equal(monitor.send({ op: "subscribe" }), true);
  assert.equal(monitor.state, "connecting");
});

test("a connection is dropped thirty seconds after the last need for it, and made again at the next", async () => {
  connect();
  isWanted = false;
  monitor.rest();
  await clock.pass(29_999);
  assert.equal(monitor.state, "open");
  await clock.pass(1);
  assert.deepEqual([monitor.state, FakeSocket.alive.length], ["idle", 0]);
  isWanted = true;
  connect();
  assert.deepEqual([monitor.state, FakeSocket.alive.length], ["open", 1]);
});

test("a connection that is needed again in time is kept", async () => {
  connect();
  isWanted = false;
  monitor.rest();
  await clock.pass(20_000);
  isWanted = true;
  await clock.pass(20_000);
  assert.deepEqual([monitor.state, FakeSocket.all.length], ["open", 1]);
});

test("what is sent while there is no connection is refused, not lost in silence", () => {
  assert.equal(monitor.send({ op: "pong" }), false);
  connect();
  assert.equal(monitor.send({ op: "pong" }), true);
  assert.deepEqual(FakeSocket.last.sent, [{ op: "pong" }]);
});
