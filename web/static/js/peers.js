// Tells the other tabs of this browser what has changed, so that they need not wait for their next look at the server.

const CHANNEL = "outloud";

export class Peers {
  #channel;

  /** `onNews({kind, threadId?})` hears of the other tabs: kind is "run", "threads", "files" or "session". */
  constructor(onNews) {
    this.#channel = new BroadcastChannel(CHANNEL);
    this.#channel.onmessage = (message) => onNews(message.data);
  }

  tell(news) {
    this.#channel.postMessage(news);
  }
}
