// A clock that moves when told to, and a socket that does what the test says.

export class FakeClock {
  #now = 0;
  #timers = new Map();
  #lastId = 0;

  now = () => this.#now;

  setTimeout = (action, delay) => {
    this.#lastId += 1;
    this.#timers.set(this.#lastId, { action, due: this.#now + delay });
    return this.#lastId;
  };

  clearTimeout = (id) => this.#timers.delete(id);

  /** Let `ms` pass and run what falls due, in order. */
  async pass(ms) {
    const end = this.#now + ms;
    for (let next = this.#next(end); next; next = this.#next(end)) {
      const [id, { action, due }] = next;
      this.#timers.delete(id);
      this.#now = due;
      action();
      await Promise.resolve();
    }
    this.#now = end;
  }

  #next(end) {
    return [...this.#timers].filter(([, { due }]) => due <= end).sort(([, one], [, other]) => one.due - other.due)[0];
  }
}

export class FakeSocket {
  static all = [];
  readyState = 0;
  sent = [];
  isClosedByPage = false;

  constructor(url) {
    this.url = url;
    FakeSocket.all.push(this);
  }

  static get last() {
    return FakeSocket.all.at(-1);
  }

  /** Sockets that the page has not given up and the server has not closed. */
  static get alive() {
    return FakeSocket.all.filter((socket) => socket.readyState < 2);
  }

  send(text) {
    this.sent.push(JSON.parse(text));
  }

  close() {
    this.readyState = 3;
    this.isClosedByPage = true;
  }

  open() {
    this.readyState = 1;
    this.onopen();
  }

  receive(frame) {
    this.onmessage({ data: typeof frame === "string" ? frame : JSON.stringify(frame) });
  }

  closeByServer(code) {
    this.readyState = 3;
    this.onclose({ code });
  }
}
