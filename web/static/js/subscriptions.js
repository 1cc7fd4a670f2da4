// Which runs this page follows and how far it has come in each: the client's half of the protocol. Knows no socket.
//
// An event is applied only if its `seq` is the last one plus one; one that is not greater was seen already; a greater one
// means that something is missing, and the run is asked for again from the cursor.

const ACK_EVERY = 1_000;

const realClock = {
  setTimeout: (action, delay) => globalThis.setTimeout(action, delay),
  clearTimeout: (timer) => globalThis.clearTimeout(timer),
};

export class Subscriptions {
  #runs = new Map();
  #send;
  #on;
  #clock;

  /**
   * `send(frame)` answers whether it went out. `on` has onEvents(runId, events), onReset(runId), onLive(runId) and
   * onRefused(runId, error).
   */
  constructor({ send, clock = realClock, ...on }) {
    this.#send = send;
    this.#clock = clock;
    this.#on = on;
  }

  get size() {
    return this.#runs.size;
  }

  has(runId) {
    return this.#runs.has(runId);
  }

  /** Follow a run from `after`, `{seq, cursor}` of the last event that is shown, or from its beginning. */
  follow(runId, { seq = 0, cursor = "" } = {}) {
    const known = this.#runs.get(runId);
    if (known) {
      known.isLeaving = false;
      return;
    }
    const run = { seq, cursor, askedAt: null, topSeen: 0, acked: 0, shown: 0, ackTimer: null, isLeaving: false };
    this.#runs.set(runId, run);
    this.#ask(runId, run);
  }

  /** Follow a run no longer; without a connection only once the next one has taken what the person was shown. */
  leave(runId) {
    const run = this.#runs.get(runId);
    if (!run) return;
    this.#acknowledge(runId, run);
    if (run.shown > run.acked) {
      run.isLeaving = true;
      return;
    }
    this.#runs.delete(runId);
    this.#send({ op: "unsubscribe", run_id: runId });
  }

  /** A new connection is open: ask for everything from where it was left. */
  resume() {
    for (const [runId, run] of [...this.#runs]) {
      this.#ask(runId, run);
      if (run.isLeaving) this.leave(runId);
    }
  }

  /** The person has seen the run up to this event; told to the server at most once a second. */
  shown(runId, seq) {
    const run = this.#runs.get(runId);
    if (!run || seq <= run.shown) return;
    run.shown = seq;
    run.ackTimer ??= this.#clock.setTimeout(() => this.#acknowledge(runId, run), ACK_EVERY);
  }

  /** Take one frame from the server: an event, several, or a control frame. */
  receive(frame) {
    if (Array.isArray(frame)) this.#takeEvents(frame);
    else if (typeof frame.type === "string") this.#takeEvents([frame]);
    else this.#control(frame);
  }

  #control(frame) {
    if (frame.op === "heartbeat") this.#checkTops(frame.top ?? {});
    else if (frame.op === "reset") this.#reset(frame);
    else if (frame.op === "live") this.#on.onLive(frame.run_id);
    else if (frame.op === "error" && frame.run_id) this.#refuse(frame.run_id, frame);
  }

  #takeEvents(events) {
    const fresh = new Map();
    for (const event of events) {
      const run = this.#runs.get(event.run_id);
      if (!run || !this.#accept(event, run)) continue;
      if (!fresh.has(event.run_id)) fresh.set(event.run_id, []);
      fresh.get(event.run_id).push(event);
    }
    for (const [runId, batch] of fresh) this.#on.onEvents(runId, batch);
  }

  #accept(event, run) {
    if (event.seq <= run.seq) return false;
    if (event.seq > run.seq + 1) {
      this.#askOnce(event.run_id, run);
      return false;
    }
    run.seq = event.seq;
    run.cursor = event.cursor;
    run.askedAt = null;
    return true;
  }

  // Behind a gap every further event looks like a gap too: one question is enough until an answer moves us on.
  #askOnce(runId, run) {
    if (run.askedAt !== run.seq) this.#ask(runId, run);
  }

  #ask(runId, run) {
    run.askedAt = run.seq;
    this.#send({ op: "subscribe", run_id: runId, after: run.cursor || run.seq });
  }

  // The last event of all has no successor that would show its loss; the heartbeat's top does. An event may be on its way
  // while the heartbeat overtakes it, so only a top that was known one heartbeat ago counts as missed.
  #checkTops(tops) {
    this.#send({ op: "pong" });
    for (const [runId, top] of Object.entries(tops)) {
      const run = this.#runs.get(runId);
      if (!run) continue;
      const missed = run.seq < run.topSeen || top < run.seq;
      run.topSeen = top;
      if (missed) this.#ask(runId, run);
    }
  }

  // The story starts again after `cursor`: its beginning, unless the beginning itself is no longer kept.
  #reset({ run_id: runId, cursor }) {
    const run = this.#runs.get(runId);
    if (!run) return;
    Object.assign(run, {
      seq: Number.parseInt(cursor ?? "0", 10),
      cursor: "",
      askedAt: null,
      topSeen: 0,
      acked: 0,
      shown: 0,
    });
    this.#on.onReset(runId);
  }

  #refuse(runId, error) {
    if (!this.#runs.delete(runId)) return;
    this.#on.onRefused(runId, error);
  }

  #acknowledge(runId, run) {
    this.#clock.clearTimeout(run.ackTimer);
    run.ackTimer = null;
    if (run.shown > run.acked && this.#send({ op: "ack", run_id: runId, seq: run.shown })) run.acked = run.shown;
  }
}
