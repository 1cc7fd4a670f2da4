// Looks at the server again and again: for what other tabs and devices have done, and for the end of an outage.

import { backoff } from "./monitor.js";

const TICK = 10_000;
/** Of two ticks one is skipped while nothing is going on. */
const QUIET_TICKS = 2;
const FIRST_RETRY = 500;
const MOST_DOUBLINGS = 4;

const realClock = {
  setTimeout: (action, delay) => globalThis.setTimeout(action, delay),
  clearTimeout: (timer) => globalThis.clearTimeout(timer),
};

export class Lookout {
  #library;
  #clock;
  #random;
  #on;
  #timer = null;
  #tries = 0;
  #skipped = 0;

  /**
   * `on` has conversation(), the one that is open; isVisible(), isSignedIn(), onGone(conversation) and onNotice(text or
   * null).
   */
  constructor({ library, clock = realClock, random = Math.random, ...on }) {
    this.#library = library;
    this.#clock = clock;
    this.#random = random;
    this.#on = on;
  }

  /** Another conversation has been opened: read it, and go on until that has worked. */
  async begin() {
    this.#tries = 0;
    this.#on.onNotice(null);
    await this.look();
  }

  /** Look now, and again later. */
  async look() {
    if (!this.#on.isSignedIn()) return this.#schedule();
    const conversation = this.#on.conversation();
    const error = await failureOf(conversation.refresh());
    // Another one was opened meanwhile, which has begun a look of its own.
    if (conversation !== this.#on.conversation()) return;
    if (error?.status === 404) await this.#gone(conversation);
    else await this.#settle(conversation, error);
    if (conversation === this.#on.conversation()) this.#schedule();
    return undefined;
  }

  async #settle(conversation, error) {
    const { threadId, hasUnreached } = conversation;
    // A new chat has nothing to read: only the library shows whether the server can be reached again.
    if (!error && (this.#library.isStale || (threadId === null && hasUnreached))) await this.#library.refresh();
    const isWell = error === null && !this.#library.isStale;
    this.#tries = isWell ? 0 : this.#tries + 1;
    if (isWell) conversation.resendUnreached();
    if (conversation === this.#on.conversation()) this.#on.onNotice(this.#noticeFor(conversation, error));
  }

  // What was written for a thread that is gone, or can be seen nowhere else any more, must not go with it.
  async #gone(conversation) {
    this.#tries = 0;
    const isLost = await conversation.isLost();
    if (conversation !== this.#on.conversation()) return undefined;
    if (!conversation.hasUnsent && !isLost) return this.#on.onGone(conversation);
    conversation.resendUnreached();
    return this.#on.onNotice(
      isLost
        ? "The server has lost this chat. What you see is all that is left of it."
        : "This chat has been deleted.",
    );
  }

  #noticeFor(conversation, error) {
    // Said elsewhere, with what to do about it.
    if (error?.status === 401 || !this.#on.isSignedIn()) return null;
    if (error && !conversation.isRead) return "This chat cannot be read at the moment; trying again…";
    if (error?.code === "store_unavailable" && conversation.activeTurn?.phase === "accepted")
      return "The server cannot reach its store; the run goes on as soon as it can.";
    if (!error && this.#library.isStale) return "Your chats and files cannot be read at the moment; trying again…";
    return null;
  }

  #schedule() {
    this.#clock.clearTimeout(this.#timer);
    const retry = FIRST_RETRY + backoff(Math.min(this.#tries, MOST_DOUBLINGS), this.#random);
    this.#timer = this.#clock.setTimeout(() => this.#tick(), this.#tries > 0 ? retry : TICK);
  }

  #tick() {
    const { activeTurn, hasUnreached } = this.#on.conversation();
    const isQuiet = this.#tries === 0 && activeTurn === null && !hasUnreached;
    this.#skipped += 1;
    if (!this.#on.isVisible() || (isQuiet && this.#skipped < QUIET_TICKS)) return this.#schedule();
    this.#skipped = 0;
    return this.look();
  }
}

async function failureOf(promise) {
  try {
    await promise;
    return null;
  } catch (error) {
    if (error.name !== "ApiError") throw error;
    return error;
  }
}
