import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { ApiError } from "../../web/static/js/api.js";
import { Lookout } from "../../web/static/js/lookout.js";
import { FakeClock } from "./fakes.js";

const AWAY = new ApiError("store_unavailable", "Away.", { status: 503 });
const GONE = new ApiError("not_found", "Not there.", { status: 404 });

let clock, chat, library, notice, gone, isVisible, isSignedIn, lookout;

beforeEach(() => {
  clock = new FakeClock();
  notice = null;
  gone = [];
  isVisible = true;
  isSignedIn = true;
  chat = conversation("thr_1");
  library = {
    isStale: false,
    error: null,
    reads: 0,
    refresh: async () => {
      library.reads += 1;
      library.isStale = library.error !== null;
    },
  };
  lookout = new Lookout({
    library,
    clock,
    random: () => 1,
    conversation: () => chat,
    isVisible: () => isVisible,
    isSignedIn: () => isSignedIn,
    onGone: (one) => gone.push(one),
    onNotice: (text) => (notice = text),
  });
});

function conversation(threadId) {
  const made = {
    threadId,
    error: null,
    isRead: false,
    activeTurn: null,
    hasUnreached: false,
    hasUnsent: false,
    wasLost: false,
    isLost: async () => made.wasLost,
    looks: 0,
    resent: 0,
    refresh: async () => {
      made.looks += 1;
      if (made.error) throw made.error;
      made.isRead = true;
    },
    resendUnreached: () => (made.resent += 1),
  };
  return made;
}

/** Let time pass in small steps, so that what a look awaits is done before the next timer. */
async function pass(ms) {
  for (let left = ms; left > 0; left -= 250) {
    await clock.pass(Math.min(250, left));
    await new Promise((resolve) => setImmediate(resolve));
  }
}

test("a thread that cannot be read says so, and is read as soon as that works", async () => {
  chat.error = AWAY;
  await lookout.begin();
  assert.match(notice, /cannot be read at the moment/);
  await pass(10_000);
  assert.ok(chat.looks > 2, `${chat.looks} looks`);
  chat.error = null;
  await pass(10_000);
  assert.deepEqual([notice, chat.isRead], [null, true]);
});

test("the wait between attempts grows, to ten seconds at most", async () => {
  chat.error = AWAY;
  await lookout.begin();
  await pass(120_000);
  assert.ok(chat.looks > 12 && chat.looks < 20, `${chat.looks} looks`);
});

test("while a run goes on, a store that is away is a notice that goes by itself", async () => {
  await lookout.begin();
  chat.activeTurn = { phase: "accepted" };
  chat.error = AWAY;
  await pass(10_000);
  assert.match(notice, /the run goes on as soon as it can/);
  chat.error = null;
  await pass(10_000);
  assert.equal(notice, null);
});

test("what the library could not read is read again, and only then unreached messages are sent", async () => {
  chat = conversation(null);
  library.isStale = true;
  library.error = AWAY;
  await lookout.begin();
  assert.deepEqual([library.reads, chat.resent], [1, 0]);
  assert.match(notice, /chats and files cannot be read/);
  library.error = null;
  await pass(3_000);
  assert.deepEqual([library.isStale, chat.resent, notice], [false, 1, null]);
});

test("a message that waits in a new chat is not sent before the server can be reached", async () => {
  chat = conversation(null);
  chat.hasUnreached = true;
  library.error = AWAY;
  await lookout.begin();
  assert.equal(chat.resent, 0);
  library.error = null;
  await pass(3_000);
  assert.ok(chat.resent > 0);
});

test("a thread that is gone is left, unless something was written for it", async () => {
  chat.error = GONE;
  await lookout.look();
  assert.deepEqual(gone, [chat]);
  chat.hasUnsent = true;
  await lookout.look();
  assert.equal(gone.length, 1);
  assert.equal(notice, "This chat has been deleted.");
});

test("a thread that the server has lost is not left: what is shown of it can be seen nowhere else", async () => {
  chat.error = GONE;
  chat.wasLost = true;
  await lookout.look();
  assert.deepEqual(gone, []);
  assert.match(notice, /The server has lost this chat/);
});

test("a look that comes back after another chat was opened changes nothing", async () => {
  const old = chat;
  old.error = GONE;
  const look = lookout.look();
  chat = conversation("thr_2");
  await look;
  assert.deepEqual(gone, []);
});

test("a quiet page looks every twenty seconds, a busy one every ten, a hidden one not at all", async () => {
  await lookout.begin();
  await pass(60_000);
  assert.equal(chat.looks, 1 + 3);
  chat.activeTurn = { phase: "accepted" };
  await pass(60_000);
  assert.equal(chat.looks, 4 + 6);
  isVisible = false;
  await pass(60_000);
  assert.equal(chat.looks, 10);
});

test("while nobody is signed in nothing is asked, and nothing is said beside what the session says", async () => {
  chat.error = new ApiError("unauthenticated", "You are not signed in.", { status: 401 });
  await lookout.begin();
  assert.equal(notice, null);
  isSignedIn = false;
  const { looks } = chat;
  await pass(60_000);
  assert.deepEqual([chat.looks, library.reads, notice], [looks, 0, null]);
  isSignedIn = true;
  chat.error = null;
  await pass(10_000);
  assert.ok(chat.looks > looks);
});
