// One thread as this page knows it: its turns, each a question and the story of the run that answers it. Knows no DOM.

import { FINISHED_STATES } from "./contract.js";
import { newStory, reduce } from "./story.js";
import { isFinished } from "./summary.js";

// The server never said no to these: the same message may well work once it can be reached.
const UNREACHED = ["network", "store_unavailable", "unexpected"];

/**
 * A turn's `phase` is pending (not confirmed by the server), failed (the server could not be told, `error` says why) or
 * accepted. `loaded` says how much of the story is here: no · busy · yes · failed.
 */
export class Conversation {
  turns = [];
  title = "";
  /** True once the server has shown us the thread. */
  isRead = false;
  #api;
  #outbox;
  #subscriptions;
  #on;
  #isOpen = true;

  /** `on` has onChange(turn), onTurns(), onThread(threadId), onProblem(error). */
  constructor({ threadId, api, outbox, subscriptions, ...on }) {
    this.threadId = threadId;
    this.#api = api;
    this.#outbox = outbox;
    this.#subscriptions = subscriptions;
    this.#on = on;
    this.turns = outbox.of(threadId).map(turnOfMessage);
  }

  /** The turn whose run is not over, or null. */
  get activeTurn() {
    return (
      this.turns.findLast((turn) => turn.phase === "pending" || (turn.phase === "accepted" && !isOver(turn))) ?? null
    );
  }

  /** True when a message waits for the server to be reached again. */
  get hasUnreached() {
    return this.turns.some(isUnreached);
  }

  /** True when the server does not have every message. */
  get hasUnsent() {
    return this.turns.some(({ phase }) => phase !== "accepted");
  }

  /** Deliver what a reload left in the outbox. */
  deliverPending() {
    for (const turn of this.turns) if (turn.phase === "pending") this.#deliver(turn);
  }

  /** Read the thread from the server and follow its unfinished runs; safe to call at any time. */
  async refresh() {
    if (this.threadId === null) return;
    const thread = await this.#api.thread(this.threadId);
    if (!this.#isOpen) return;
    this.isRead = true;
    this.title = thread.title;
    for (const run of thread.runs) this.#takeRun(run);
    this.turns.sort((one, other) => one.createdAt - other.createdAt);
    this.#on.onTurns();
  }

  /** Send a message; it is shown at once and kept until the server has it. */
  send(text, agent) {
    const turn = turnOfMessage(this.#outbox.add({ threadId: this.threadId, text, agent }));
    this.turns.push(turn);
    this.#on.onTurns();
    this.#deliver(turn);
  }

  resend(turn) {
    if (turn.phase === "failed") this.#deliver(turn);
  }

  /** Send again what did not reach the server; the key of a message makes it harmless to do so once too often. */
  resendUnreached() {
    for (const turn of this.turns) if (isUnreached(turn)) this.#deliver(turn);
  }

  /** Take an undelivered message back. */
  discard(turn) {
    this.#outbox.remove(turn.key);
    this.turns = this.turns.filter((other) => other !== turn);
    this.#on.onTurns();
  }

  async stop(turn) {
    if (turn.stopping || turn.phase !== "accepted" || isOver(turn)) return;
    this.#change(turn, { stopping: true });
    try {
      await this.#api.cancelRun(turn.runId);
    } catch (error) {
      this.#change(turn, { stopping: false });
      this.#on.onProblem(error);
    }
  }

  /** Read the story of a finished run, page by page. */
  async loadStory(turn) {
    if (turn.loaded === "busy" || turn.loaded === "yes" || turn.phase !== "accepted") return;
    this.#change(turn, { loaded: "busy" });
    try {
      for (let more = true; more && this.#isOpen;) more = await this.#loadPage(turn);
      this.#change(turn, { loaded: "yes" });
    } catch (error) {
      this.#change(turn, { loaded: "failed", error });
    }
  }

  /** Events of a run have arrived, in order and without a hole. */
  tell(runId, events) {
    const turn = this.#turnOfRun(runId);
    if (turn) this.#apply(turn, events);
  }

  /** A run's story starts again from its beginning. */
  restart(runId) {
    const turn = this.#turnOfRun(runId);
    if (turn) this.#change(turn, { story: newStory(runId) });
  }

  /** The server does not let us follow a run. */
  refuse(runId, error) {
    const turn = this.#turnOfRun(runId);
    if (turn) this.#change(turn, { loaded: "failed", error });
  }

  /** What is told of a turn is on the screen now. */
  rendered(turn) {
    if (!turn.runId || !this.#subscriptions.has(turn.runId)) return;
    this.#subscriptions.shown(turn.runId, turn.story.seq);
    if (isFinished(turn.story)) this.#subscriptions.leave(turn.runId);
  }

  close() {
    this.#isOpen = false;
    for (const turn of this.turns) if (turn.runId) this.#subscriptions.leave(turn.runId);
  }

  async #deliver(turn) {
    this.#update(turn, { phase: "pending", error: null });
    const request = {
      message: turn.question,
      idempotency_key: turn.key,
      thread_id: this.threadId ?? undefined,
      agent: turn.agent ?? undefined,
    };
    try {
      this.#accept(turn, await this.#api.startRun(request));
    } catch (error) {
      this.#update(turn, {
        phase: "failed",
        error: { code: error.code, message: error.message, retryable: error.retryable ?? false },
      });
    }
  }

  #accept(turn, answer) {
    this.#outbox.remove(turn.key);
    if (!this.#isOpen) return;
    const twin = this.#turnOfRun(answer.run_id);
    if (twin && twin !== turn) this.turns = this.turns.filter((other) => other !== twin);
    this.#settle(answer.thread_id);
    if (answer.thread_id !== this.threadId) return this.#leaveOut(turn);
    this.#change(turn, { phase: "accepted", runId: answer.run_id, story: newStory(answer.run_id), loaded: "yes" });
    this.#subscriptions.follow(answer.run_id);
    return this.#on.onThread(answer.thread_id);
  }

  // The first message of a new chat has made its thread: what waits beside it belongs there too.
  #settle(threadId) {
    if (this.threadId !== null) return;
    this.threadId = threadId;
    this.isRead = true;
    for (const { key, phase } of this.turns) if (phase !== "accepted") this.#outbox.change(key, { threadId });
  }

  // It had reached the server before its answer was lost, and has a thread of its own since then.
  #leaveOut(turn) {
    this.turns = this.turns.filter((other) => other !== turn);
    this.#on.onTurns();
    this.#on.onThread(this.threadId);
  }

  #takeRun(run) {
    let turn = this.#turnOfRun(run.run_id);
    if (!turn) this.turns.push((turn = turnOfRun(run)));
    turn.run = run;
    turn.stopping ||= run.stopping;
    if (isFinished(turn.story)) return;
    if (FINISHED_STATES.includes(run.state)) {
      if (this.#subscriptions.has(run.run_id)) this.#catchUp(turn);
      return;
    }
    turn.loaded = "yes";
    this.#subscriptions.follow(run.run_id, turn.story);
  }

  // A run that was followed has ended without our hearing of it: its last event is on its way, or there is no connection.
  async #catchUp(turn) {
    try {
      for (let more = true; more && this.#isOpen && !isFinished(turn.story);) more = await this.#loadPage(turn);
    } catch (error) {
      // The next refresh tries again; until then the run is shown as done, without its last steps.
      if (error.name !== "ApiError") throw error;
    }
  }

  async #loadPage(turn) {
    const page = await this.#api.events(turn.runId, turn.story.cursor || turn.story.seq);
    if (page.reset) turn.story = newStory(turn.runId);
    this.#apply(turn, page.events);
    return page.more && page.events.length > 0;
  }

  #apply(turn, events) {
    const next = events.filter((event) => event.seq > turn.story.seq).reduce(reduce, turn.story);
    this.#change(turn, { story: next });
  }

  #turnOfRun(runId) {
    return this.turns.find((turn) => turn.runId === runId) ?? null;
  }

  // Kept in the outbox too, so that a reload finds the message as it was left.
  #update(turn, { phase, error }) {
    this.#outbox.change(turn.key, { phase, error });
    this.#change(turn, { phase, error });
  }

  #change(turn, fields) {
    Object.assign(turn, fields);
    if (this.#isOpen) this.#on.onChange(turn);
  }
}

/** True when nothing more will happen in a turn's run. */
export function isOver(turn) {
  return isFinished(turn.story) || (turn.run !== null && FINISHED_STATES.includes(turn.run.state));
}

function isUnreached({ phase, error }) {
  return phase === "failed" && error.retryable && UNREACHED.includes(error.code);
}

function turnOfMessage({ key, text, agent, phase, error, createdAt }) {
  const fields = { key, question: text, agent, phase, error, createdAt };
  return { ...fields, runId: null, run: null, story: newStory(null), stopping: false, loaded: "no" };
}

function turnOfRun(run) {
  const fields = {
    key: run.run_id,
    question: run.message,
    agent: run.agent,
    createdAt: run.created_at,
    runId: run.run_id,
    run,
  };
  return { ...fields, phase: "accepted", error: null, story: newStory(run.run_id), stopping: false, loaded: "no" };
}
