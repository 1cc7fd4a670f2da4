// Keeps one connection alive while it is needed: notices silence, waits before it tries again, and knows when not to.
// Never two sockets.

import { CLOSE_CODES, HEARTBEAT_SECONDS, STOP_CLOSE_CODES } from "./contract.js";

const FIRST_DELAY = 500;
const LONGEST_DELAY = 30_000;
const STABLE_AFTER = 10_000;
const CONNECT_TIMEOUT = 15_000;
const IDLE_AFTER = 30_000;
const HEARTBEAT = HEARTBEAT_SECONDS * 1_000;
const SILENCE_LIMIT = 2.5 * HEARTBEAT;

const realClock = {
  now: () => Date.now(),
  setTimeout: (action, delay) => globalThis.setTimeout(action, delay),
  clearTimeout: (timer) => globalThis.clearTimeout(timer),
};

/** Full jitter: anywhere between at once and a limit that doubles with every try, so that a crowd does not come back as one. */
export function backoff(tries, random = Math.random) {
  return random() * Math.min(LONGEST_DELAY, FIRST_DELAY * 2 ** tries);
}

/**
 * States: idle (nobody needs a connection) · connecting · open (the server has spoken) · waiting (will try again) · stopped
 * (the server said no).
 */
export class Monitor {
  state = "idle";
  #connect;
  #clock;
  #random;
  #on;
  #connection = null;
  #tries = 0;
  #retryAfter = null;
  #lastFrameAt = 0;
  #resting = null;
  #timers = { retry: null, stable: null, silence: null };

  /**
   * `connect(handlers)` makes a Connection. `on` has isWanted(), onOpen(), onFrame(frame), onState(state, code) and
   * renew(), awaited before the next try when the server asks to sign in again: false means that nobody is signed in, and
   * that there is nothing to try until start().
   */
  constructor({ connect, clock = realClock, random = Math.random, ...on }) {
    this.#connect = connect;
    this.#clock = clock;
    this.#random = random;
    this.#on = on;
  }

  /** Connect unless that is done or under way. */
  start() {
    if (this.state === "idle" || this.state === "stopped") this.#open();
  }

  /** Perhaps nobody needs the connection any more: drop it if that is still so after a while. */
  rest() {
    if (this.#resting !== null || this.#on.isWanted()) return;
    this.#resting = this.#clock.setTimeout(() => this.#dropUnwanted(), IDLE_AFTER);
  }

  /** Something happened that makes a new try worth it now: the page is seen again, the network is back. */
  wake() {
    const silent = this.#clock.now() - this.#lastFrameAt;
    if (this.state === "waiting" || (this.state === "open" && silent > HEARTBEAT * 1.25)) this.#open();
  }

  /** The network changed under an open socket, which may be dead without knowing: replace it. */
  replace() {
    if (this.state === "waiting" || this.state === "connecting" || this.state === "open") this.#open();
  }

  /** True when the frame was handed to an open socket. */
  send(frame) {
    return this.#connection?.send(frame) ?? false;
  }

  #open() {
    this.#cleanUp();
    this.#enter("connecting");
    this.#watchSilence(CONNECT_TIMEOUT);
    this.#connection = this.#connect({
      onOpen: () => this.#opened(),
      onFrame: (frame) => this.#received(frame),
      onClose: (code) => this.#closed(code),
    });
  }

  #opened() {
    this.#heard();
    this.#on.onOpen();
    this.rest();
  }

  #received(frame) {
    this.#heard();
    if (this.state === "connecting" && frame.op !== "bye") this.#greeted();
    if (frame.op === "bye") this.#retryAfter = frame.retry_ms;
    this.#on.onFrame(frame);
  }

  // A server that refuses a socket opens it first, to be able to say why: only what it says shows that it has let us in.
  #greeted() {
    this.#timers.stable = this.#clock.setTimeout(() => (this.#tries = 0), STABLE_AFTER);
    this.#enter("open");
  }

  #dropUnwanted() {
    this.#resting = null;
    if (this.state === "idle" || this.state === "stopped" || this.#on.isWanted()) return;
    this.#cleanUp();
    this.#enter("idle");
  }

  #closed(code) {
    this.#cleanUp();
    if (STOP_CLOSE_CODES.includes(code)) {
      this.#enter("stopped", code);
    } else if (!this.#on.isWanted()) {
      this.#enter("idle", code);
    } else {
      this.#retryLater(code);
    }
  }

  #retryLater(code) {
    const delay = this.#retryAfter ?? backoff(this.#tries, this.#random);
    this.#retryAfter = null;
    this.#tries += 1;
    this.#timers.retry = this.#clock.setTimeout(() => this.#retry(code), delay);
    this.#enter("waiting", code);
  }

  async #retry(code) {
    const isSignedIn = code !== CLOSE_CODES.SIGN_IN || (await this.#on.renew());
    // While the sign-in was awaited, the page may have woken and opened a connection already.
    if (this.state !== "waiting") return;
    if (isSignedIn) this.#open();
    else this.#enter("stopped", code);
  }

  #heard() {
    this.#lastFrameAt = this.#clock.now();
    this.#watchSilence(SILENCE_LIMIT);
  }

  #watchSilence(limit) {
    this.#clock.clearTimeout(this.#timers.silence);
    this.#timers.silence = this.#clock.setTimeout(() => this.#closed(1006), limit);
  }

  // The old socket is dropped before a new one is made: two would double every event and count twice against the limit.
  #cleanUp() {
    this.#connection?.drop();
    this.#connection = null;
    for (const name of Object.keys(this.#timers)) {
      this.#clock.clearTimeout(this.#timers[name]);
      this.#timers[name] = null;
    }
  }

  #enter(state, code = null) {
    this.state = state;
    this.#on.onState(state, code);
  }
}
