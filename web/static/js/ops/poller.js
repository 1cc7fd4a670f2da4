// Asks again and again while somebody looks, one call at a time, and never claims that old news is new.

/** `load()` is called every `every` ms while `isVisible()`; `onData(value)` and `onFailure(error)` hear of each. */
export class Poller {
  #load;
  #every;
  #isVisible;
  #onData;
  #onFailure;
  #timer = null;
  #isLoading = false;
  #isWanted = false;

  constructor({ load, every, isVisible, onData, onFailure = () => {} }) {
    this.#load = load;
    this.#every = every;
    this.#isVisible = isVisible;
    this.#onData = onData;
    this.#onFailure = onFailure;
  }

  start() {
    this.#isWanted = true;
    return this.look();
  }

  stop() {
    this.#isWanted = false;
    clearTimeout(this.#timer);
  }

  /** Ask at once; does nothing while nobody looks, who is told of it with `look` when they come back. */
  async look() {
    clearTimeout(this.#timer);
    if (!this.#isWanted || !this.#isVisible() || this.#isLoading) return;
    this.#isLoading = true;
    try {
      const value = await this.#load();
      if (this.#isWanted) this.#onData(value);
    } catch (error) {
      if (this.#isWanted) this.#onFailure(error);
    } finally {
      this.#isLoading = false;
    }
    if (this.#isWanted) this.#timer = setTimeout(() => this.look(), this.#every);
  }
}
