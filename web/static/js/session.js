// Who the person is to the server, and what becomes of the page when their sign-in ends. Knows no DOM.

const LOOK_EVERY = 15_000;

const realClock = {
  setTimeout: (action, delay) => globalThis.setTimeout(action, delay),
  clearTimeout: (timer) => globalThis.clearTimeout(timer),
};

export class Session {
  /** What the server has said of the person last, or null. */
  known;
  /** True from the server's word that nobody is signed in until somebody is. */
  isLost = false;
  #api;
  #clock;
  #on;
  #question = null;
  #timer = null;

  /**
   * `known` is what the page came with: who was signed in when it was loaded, or null. `on` has isVisible(), owner(), whose
   * the unsent things on this page are, or null; onKnown(session), onLost(known), onFound() after a loss, and onOther()
   * when somebody else has signed in: nothing on this page is theirs.
   */
  constructor({ api, known = null, clock = realClock, ...on }) {
    this.#api = api;
    this.known = known;
    this.#clock = clock;
    this.#on = on;
  }

  /** Tell how things stand at the start. */
  begin() {
    if (this.known) this.#on.onKnown(this.known);
    else this.#lose();
  }

  /** Ask who is signed in; answers false if that is nobody. Many may ask at once: it is one question. */
  check() {
    this.#question ??= this.#ask().finally(() => (this.#question = null));
    return this.#question;
  }

  /** A call was refused for want of a sign-in: perhaps it was renewed since. */
  doubt() {
    if (!this.isLost) this.check();
  }

  /**
   * Something happened after which somebody, or somebody else, may be signed in: the page is seen again, another tab has
   * news. An anonymous visitor signs in nowhere.
   */
  look() {
    if (this.isLost || this.#isNamed) this.check();
  }

  get #isNamed() {
    return this.known !== null && !this.known.anonymous;
  }

  async #ask() {
    try {
      this.#take(await this.#api.session());
    } catch (error) {
      if (error.name !== "ApiError") throw error;
      if (error.status === 401) this.#lose();
      // Else it is not known: the server is away, which others notice as well.
    }
    return !this.isLost;
  }

  #take(session) {
    if (this.#isOther(session)) {
      this.#on.onOther();
      return;
    }
    this.known = session;
    this.#on.onKnown(session);
    if (!this.isLost) return;
    this.isLost = false;
    this.#clock.clearTimeout(this.#timer);
    this.#on.onFound();
  }

  #isOther(session) {
    const before = this.#isNamed ? this.known.user_id : this.#on.owner();
    return before !== null && before !== session.user_id && (this.#isNamed || !session.anonymous);
  }

  #lose() {
    if (this.isLost) return;
    this.isLost = true;
    this.#lookLater();
    this.#on.onLost(this.known);
  }

  #lookLater() {
    this.#timer = this.#clock.setTimeout(() => this.#again(), LOOK_EVERY);
  }

  // Whatever the look comes to: a server that is away now may have somebody signed in when it is back.
  async #again() {
    if (this.#on.isVisible()) await this.check();
    if (this.isLost) this.#lookLater();
  }
}

/** Where to sign in, `template` as SIGN_IN_URL has it, and to come back to `address`; only a path for our own server. */
export function signInUrl(template, address) {
  const { href, pathname, search } = new URL(address);
  return template.replace("{next}", encodeURIComponent(template.startsWith("/") ? pathname + search : href));
}
