// Messages that the server has not confirmed yet, and the draft of each thread. Kept in sessionStorage, so that a reload, a
// crash of the tab or a dead network loses neither; sent again with the same idempotency key, so that none becomes two runs.

import { randomHex } from "./helpers/random.js";

const OUTBOX = "outloud.outbox";
const DRAFT = "outloud.draft.";
const OWNER = "outloud.owner";

export class Outbox {
  #storage;
  #newKey;

  constructor({ storage = globalThis.sessionStorage, newKey = () => randomHex(16) } = {}) {
    this.#storage = storage;
    this.#newKey = newKey;
  }

  /** Unconfirmed messages of a thread, oldest first; `threadId` null is the chat that has no thread yet. */
  of(threadId) {
    return this.#read().filter((message) => message.threadId === threadId);
  }

  /** Put a message in before it is sent for the first time; `whenBusy` is what it asks for if a run is going on. */
  add({ threadId, text, agent, whenBusy }, now = Date.now()) {
    const fields = { threadId, text, agent, whenBusy };
    const message = { key: this.#newKey(), ...fields, phase: "pending", error: null, createdAt: now };
    this.#write([...this.#read(), message]);
    return message;
  }

  /** Change fields of a message; answers the new one, or null when it is gone. */
  change(key, fields) {
    const messages = this.#read().map((message) => (message.key === key ? { ...message, ...fields } : message));
    this.#write(messages);
    return messages.find((message) => message.key === key) ?? null;
  }

  remove(key) {
    this.#write(this.#read().filter((message) => message.key !== key));
  }

  draft(threadId) {
    return this.#storage.getItem(DRAFT + (threadId ?? "new")) ?? "";
  }

  saveDraft(threadId, text) {
    const key = DRAFT + (threadId ?? "new");
    if (text === "") this.#storage.removeItem(key);
    else this.#storage.setItem(key, text);
  }

  /** Whose what is kept here is, or null: nobody has signed in. */
  get owner() {
    return this.#storage.getItem(OWNER);
  }

  /** What is kept here is this user's. What a user before them left is thrown away: it may be nobody else's business. */
  belongTo(userId) {
    if (this.owner !== null && this.owner !== userId) {
      const keys = Array.from({ length: this.#storage.length }, (_, place) => this.#storage.key(place));
      for (const key of keys) if (key === OUTBOX || key.startsWith(DRAFT)) this.#storage.removeItem(key);
    }
    this.#storage.setItem(OWNER, userId);
  }

  #read() {
    try {
      return JSON.parse(this.#storage.getItem(OUTBOX) ?? "[]");
    } catch {
      return [];
    }
  }

  #write(messages) {
    this.#storage.setItem(OUTBOX, JSON.stringify(messages));
  }
}
