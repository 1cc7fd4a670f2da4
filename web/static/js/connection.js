// One WebSocket, from opening to its end. Once dropped or closed, nothing of the old socket reaches its owner again.

export class Connection {
  #socket;
  #handlers;

  /** `handlers` are onOpen(), onFrame(frame) and onClose(code); each is told of this one socket only. */
  constructor(url, handlers, { WebSocket = globalThis.WebSocket } = {}) {
    this.#handlers = handlers;
    const socket = new WebSocket(url);
    this.#socket = socket;
    socket.onopen = () => this.#handlers?.onOpen();
    socket.onmessage = (message) => this.#read(message.data);
    socket.onclose = (event) => this.#finish(event.code);
  }

  /** True when the frame was handed to an open socket. */
  send(frame) {
    if (this.#socket.readyState !== 1) return false;
    this.#socket.send(JSON.stringify(frame));
    return true;
  }

  /** Close without telling the owner: it has already made up its mind. */
  drop() {
    this.#handlers = null;
    this.#socket.close();
  }

  #read(text) {
    let frame;
    try {
      frame = JSON.parse(text);
    } catch {
      // A frame that is not JSON cannot be trusted to be the only broken one: start over, the cursor makes that harmless.
      this.#socket.close();
      this.#finish(1006);
      return;
    }
    this.#handlers?.onFrame(frame);
  }

  #finish(code) {
    const handlers = this.#handlers;
    this.#handlers = null;
    handlers?.onClose(code);
  }
}
