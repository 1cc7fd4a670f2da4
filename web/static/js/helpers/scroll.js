// Follows the tail of a scrolling element while the reader is there, and leaves the reader alone otherwise.

const NEAR = 48;
const MARGIN = 16;

export class TailFollower {
  #scroller;
  #onChange;
  #lastTop = 0;
  following = true;

  /** `onChange(following)` is called when the reader leaves the tail or comes back to it. */
  constructor(scroller, content, onChange) {
    this.#scroller = scroller;
    this.#onChange = onChange;
    scroller.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    const observer = new ResizeObserver(() => this.settle());
    for (const element of [scroller, content]) observer.observe(element);
  }

  /** Go to the tail and follow it from now on. */
  jump({ smooth = false } = {}) {
    this.#set(true);
    this.#scroller.scrollTo({ top: this.#scroller.scrollHeight, behavior: smooth ? "smooth" : "instant" });
  }

  /**
   * What ends at `last` is complete: if that is more than fits the window below `first`, a reader at the tail is shown its
   * beginning and followed no longer. A reader elsewhere is left alone.
   */
  showTop(first, last) {
    const top = first.getBoundingClientRect().top;
    if (!this.following || last.getBoundingClientRect().bottom - top <= this.#scroller.clientHeight) return;
    this.#set(false);
    this.#scroller.scrollTop += top - this.#scroller.getBoundingClientRect().top - MARGIN;
    this.#lastTop = this.#scroller.scrollTop;
  }

  /** The content or the window on it has changed its height: stay at the tail if that is where we are. */
  settle() {
    if (this.following) this.#scroller.scrollTop = this.#scroller.scrollHeight;
  }

  // Growing content moves the tail away without anyone scrolling; only a move upwards means that the reader has left.
  #scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.#scroller;
    const atTail = scrollHeight - scrollTop - clientHeight <= NEAR;
    if (atTail) this.#set(true);
    else if (scrollTop < this.#lastTop) this.#set(false);
    this.#lastTop = scrollTop;
  }

  #set(following) {
    if (following === this.following) return;
    this.following = following;
    this.#onChange(following);
  }
}
