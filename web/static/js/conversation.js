// One thread as this page knows it: its turns, each a question and the story of the run that answers it. Knows no DOM.

import { FINISHED_STATES } from "./contract.js";
import { abandon, newStory, reduce } from "./story.js";
import { isFinished, waitingTools } from "./summary.js";

// The server never said no to these: the same message may well work once it can be reached.
const UNREACHED = ["network", "store_unavailable", "unexpected"];
const SIGNED_OUT = "unauthenticated";

/**
 * A turn's `phase` is pending (not confirmed by the server), failed (the server could not be told, `error` says why) or
 * accepted. `loaded` says how much of the story is here: no · busy · yes · failed. `isLost` is true when the server has
 * lost a run that was followed.
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
  #isThreadLost = false;
  #lastDelivery = Promise.resolve();

  /** `on` has onChange(turn), onTurns(), onThread(threadId), onProblem(error). */
  constructor({ threadId, api, outbox, subscriptions, ...on }) {
    this.threadId = threadId;
    this.#api = api;
    this.#outbox = outbox;
    this.#subscriptions = subscriptions;
    this.#on = on;
    this.turns = outbox.of(threadId).map(turnOfMessage);
  }

  /** The turn that is to be answered next, or null: the first whose run is not over, else a message on its way. */
  get activeTurn() {
    const unfinished = this.turns.filter(isUnfinished);
    return unfinished.find(({ phase }) => phase === "accepted") ?? unfinished[0] ?? null;
  }

  /** The tool calls that wait for a person's yes, as `{turn, agentName, tool}`; not those that are being stopped. */
  get waitingTools() {
    const turns = this.turns.filter(({ stopping }) => !stopping);
    return turns.flatMap((turn) => waitingTools(turn.story).map((waiting) => ({ turn, ...waiting })));
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

  /**
   * Send a message; it is shown at once and kept until the server has it. `whenBusy` says what is to happen if a run is
   * going on: "queue" answers it after that run, "interrupt" stops that run.
   */
  send(text, agent, whenBusy = "queue") {
    // Last in this list, even if the server's clock, which dates the others, is ahead of ours.
    const createdAt = Math.max(Date.now(), (this.turns.at(-1)?.createdAt ?? 0) + 1);
    const turn = turnOfMessage(this.#outbox.add({ threadId: this.threadId, text, agent, whenBusy }, createdAt));
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

  /** Somebody is signed in again: do what was refused meanwhile. */
  takeUp() {
    this.resendUnreached();
    const refused = ({ loaded, error }) => loaded === "failed" && error?.code === SIGNED_OUT;
    for (const turn of this.turns.filter(refused)) this.loadStory(turn);
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
      // Nobody has seen how it ended: followed for as long as it takes to say that somebody does now.
      if (this.#isOpen && isFinished(turn.story) && turn.run?.outcome_seen_at === 0)
        this.#subscriptions.follow(turn.runId, turn.story);
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

  /**
   * The server has no such thread: has it lost it? Else it was deleted, which stops the runs in it. What was lost can
   * be seen on this page only.
   */
  async isLost() {
    const turns = this.turns.filter((turn) => turn.phase === "accepted" && !isOver(turn));
    await Promise.all(turns.map((turn) => this.#checkRun(turn)));
    return this.#isThreadLost || this.turns.some(({ isLost }) => isLost);
  }

  /** The server does not let us follow a run, or has none of this name any more. */
  refuse(runId, error) {
    const turn = this.#turnOfRun(runId);
    if (!turn || isFinished(turn.story)) return;
    if (error.code === "gone" || error.code === "not_found") this.#lose(turn);
    else this.#change(turn, { loaded: "failed", error });
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

  // One after another: they are answered in the order in which they arrive, and the first one makes the thread.
  #deliver(turn) {
    this.#update(turn, { phase: "pending", error: null });
    this.#lastDelivery = this.#lastDelivery.then(() => this.#post(turn));
  }

  async #post(turn) {
    const request = {
      message: turn.question,
      idempotency_key: turn.key,
      thread_id: this.threadId ?? undefined,
      agent: turn.agent ?? undefined,
      when_busy: turn.whenBusy ?? undefined,
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
    this.#settle(answer.thread_id);
    if (!this.#isOpen) return;
    const twin = this.#turnOfRun(answer.run_id);
    if (twin && twin !== turn) this.turns = this.turns.filter((other) => other !== twin);
    if (answer.thread_id !== this.threadId) return this.#leaveOut(turn);
    this.#change(turn, { phase: "accepted", runId: answer.run_id, story: newStory(answer.run_id), loaded: "yes" });
    this.#subscriptions.follow(answer.run_id);
    if (turn.whenBusy === "interrupt") this.#stoppedFor(turn);
    return this.#on.onThread(answer.thread_id);
  }

  // The server has been asked to stop what went before; until that shows in the stories, say so.
  #stoppedFor(turn) {
    for (const earlier of this.turns.slice(0, this.turns.indexOf(turn))) {
      if (earlier.phase === "accepted" && !isOver(earlier)) this.#change(earlier, { stopping: true });
    }
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
    // The server's clock from now on: turns are sorted by it.
    turn.createdAt = run.created_at;
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
      if (error.name !== "ApiError") throw error;
      // Else the next refresh tries again; until then the run is shown as done, without its last steps.
      if (error.status === 404) this.#lose(turn);
    }
  }

  async #checkRun(turn) {
    try {
      const { state, stopping } = await this.#api.run(turn.runId);
      this.#isThreadLost ||= !stopping && !FINISHED_STATES.includes(state);
    } catch (error) {
      if (error.name !== "ApiError") throw error;
      if (error.status === 404 && !isOver(turn)) this.#lose(turn);
    }
  }

  // Its log has vanished with the server's store. What was written so far is shown as long as this page is open.
  #lose(turn) {
    this.#subscriptions.leave(turn.runId);
    const story = abandon(turn.story, turn.story.lastAt || turn.createdAt);
    this.#change(turn, { isLost: true, loaded: "failed", story });
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

/** True for a turn whose answer is still to come. */
export function isUnfinished(turn) {
  return turn.phase === "pending" || (turn.phase === "accepted" && !isOver(turn));
}

function isUnreached({ phase, error }) {
  return phase === "failed" && (error.code === SIGNED_OUT || (error.retryable && UNREACHED.includes(error.code)));
}

function turnOfMessage({ key, text, agent, whenBusy = null, phase, error, createdAt }) {
  const fields = { key, question: text, agent, whenBusy, phase, error, createdAt };
  return { ...fields, runId: null, run: null, story: newStory(null), stopping: false, loaded: "no", isLost: false };
}

function turnOfRun(run) {
  const fields = {
    key: run.run_id,
    question: run.message,
    agent: run.agent,
    whenBusy: null,
    createdAt: run.created_at,
    runId: run.run_id,
    run,
    phase: "accepted",
    error: null,
  };
  return { ...fields, story: newStory(run.run_id), stopping: false, loaded: "no", isLost: false };
}
