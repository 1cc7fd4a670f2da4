import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { api, ApiError, errorFrom, whenRefused } from "../../web/static/js/api.js";
import { Session, signInUrl } from "../../web/static/js/session.js";
import { FakeClock } from "./fakes.js";

const NOBODY = new ApiError("unauthenticated", "You are not signed in.", { status: 401 });
const AWAY = new ApiError("network", "The server could not be reached.");
const ANNA = { user_id: "usr_a", anonymous: false, name: "Anna", expires_at: 0, operator: false };
const BERT = { ...ANNA, user_id: "usr_b", name: "Bert" };
const STRANGER = { user_id: "usr_s", anonymous: true, name: "", expires_at: 0, operator: false };

let clock, answer, asked, news, owner, isVisible;

beforeEach(() => {
  clock = new FakeClock();
  answer = ANNA;
  asked = 0;
  news = [];
  owner = null;
  isVisible = true;
});

function sessionOf(known) {
  const api = {
    session: async () => {
      asked += 1;
      if (answer instanceof Error) throw answer;
      return answer;
    },
  };
  const session = new Session({
    api,
    known,
    clock,
    isVisible: () => isVisible,
    owner: () => owner,
    onKnown: ({ name }) => news.push(`known ${name}`),
    onLost: (before) => news.push(`lost ${before?.name ?? "nobody"}`),
    onFound: () => news.push("found"),
    onOther: () => news.push("other"),
  });
  session.begin();
  news.shift();
  return session;
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

async function pass(ms) {
  await clock.pass(ms);
  await settled();
}

test("a page that was loaded by nobody says so at once, and looks again by itself", async () => {
  const session = sessionOf(null);
  assert.equal(session.isLost, true);
  answer = NOBODY;
  await pass(15_000);
  answer = ANNA;
  await pass(15_000);
  assert.deepEqual([session.isLost, asked, news], [false, 2, ["known Anna", "found"]]);
  await pass(60_000);
  assert.equal(asked, 2, "there is nothing to look for any more");
});

test("a refused call is a question first: the sign-in may have been renewed meanwhile", async () => {
  const session = sessionOf(ANNA);
  session.doubt();
  session.doubt();
  await settled();
  assert.deepEqual([session.isLost, asked, news], [false, 1, ["known Anna"]]);
});

test("a sign-in that has ended is told once, however many calls are refused", async () => {
  const session = sessionOf(ANNA);
  answer = NOBODY;
  session.doubt();
  await settled();
  session.doubt();
  assert.equal(await session.check(), false);
  assert.deepEqual([session.isLost, asked, news], [true, 2, ["lost Anna"]]);
});

test("a server that cannot be reached ends no sign-in", async () => {
  const session = sessionOf(ANNA);
  answer = AWAY;
  assert.equal(await session.check(), true);
  assert.deepEqual(news, []);
});

test("a look finds out that somebody has signed in, in another tab for example", async () => {
  const session = sessionOf(ANNA);
  answer = NOBODY;
  await session.check();
  answer = ANNA;
  session.look();
  await settled();
  assert.deepEqual(news, ["lost Anna", "known Anna", "found"]);
  await pass(60_000);
  assert.equal(asked, 2, "the page looks no more by itself");
});

test("a server that is away when the page looks does not end its looking", async () => {
  const session = sessionOf(null);
  answer = AWAY;
  await pass(15_000);
  assert.deepEqual([session.isLost, asked, news], [true, 1, []]);
  answer = ANNA;
  await pass(15_000);
  assert.deepEqual([session.isLost, asked, news], [false, 2, ["known Anna", "found"]]);
});

test("a page that is come back to is not left to somebody who has signed in elsewhere meanwhile", async () => {
  const session = sessionOf(ANNA);
  answer = BERT;
  session.look();
  await settled();
  assert.deepEqual([asked, news], [1, ["other"]]);
});

test("a page of an anonymous visitor asks nothing when it is come back to", async () => {
  sessionOf(STRANGER).look();
  await settled();
  assert.deepEqual([asked, news], [0, []]);
});

test("a hidden page does not ask", async () => {
  sessionOf(null);
  answer = NOBODY;
  isVisible = false;
  await pass(60_000);
  assert.equal(asked, 0);
  isVisible = true;
  await pass(15_000);
  assert.equal(asked, 1);
});

test("somebody else who signs in gets a page of their own", async () => {
  const session = sessionOf(ANNA);
  answer = BERT;
  await session.check();
  assert.deepEqual([news, session.known], [["other"], ANNA]);
});

test("what somebody left unsent on a page without a sign-in is not sent by the next", async () => {
  owner = ANNA.user_id;
  const session = sessionOf(null);
  answer = BERT;
  await session.check();
  assert.deepEqual([news, session.isLost], [["other"], true]);
  answer = ANNA;
  await session.check();
  assert.deepEqual(news, ["other", "known Anna", "found"]);
});

test("an anonymous visitor without a cookie becomes a new one, as ever", async () => {
  const session = sessionOf(STRANGER);
  answer = { ...STRANGER, user_id: "usr_t" };
  assert.equal(await session.check(), true);
  assert.deepEqual(news, ["known "]);
  owner = ANNA.user_id;
  await session.check();
  assert.deepEqual(news, ["known ", "known "], "also where people have signed in once");
});

test("every refused call is told, whoever made it", () => {
  let refused = 0;
  whenRefused(() => (refused += 1));
  errorFrom(401, JSON.stringify({ error: { code: "unauthenticated", message: "No.", detail: null } }));
  errorFrom(403, "{}");
  errorFrom(401, "not JSON");
  assert.equal(refused, 2);
});

for (const [name, response] of [
  ["redirects to its sign-in page", { type: "opaqueredirect", ok: false, status: 0 }],
  ["answers in its own words", { type: "basic", ok: false, status: 401, text: async () => "<h1>Sign in</h1>" }],
]) {
  test(`a proxy that ${name} is understood`, async () => {
    let refused = 0;
    whenRefused(() => (refused += 1));
    const before = globalThis.fetch;
    globalThis.fetch = async (path, { redirect }) => {
      assert.equal(redirect, "manual");
      return { headers: new Headers(), ...response };
    };
    try {
      await assert.rejects(api.session(), { name: "ApiError", code: "unauthenticated", status: 401 });
    } finally {
      globalThis.fetch = before;
    }
    assert.equal(refused, 1);
  });
}

test("who signs in comes back to where they were", () => {
  const address = "https://chat.example/t/thr_1?a=b&c";
  assert.equal(signInUrl("/login?next={next}", address), "/login?next=%2Ft%2Fthr_1%3Fa%3Db%26c");
  assert.equal(
    signInUrl("https://login.example/?to={next}", address),
    "https://login.example/?to=https%3A%2F%2Fchat.example%2Ft%2Fthr_1%3Fa%3Db%26c",
  );
  assert.equal(signInUrl("/login", address), "/login");
});
