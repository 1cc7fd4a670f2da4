// The list of turns. Draws what has changed once per frame, reads older turns when they come into sight.

import { isUnfinished } from "../conversation.js";
import { h, setAttribute, ViewList } from "../helpers/dom.js";
import { oncePerFrame } from "../helpers/timing.js";
import { TurnView } from "./turn.js";

const SIGHT = "1200px 0px";

export class ConversationView {
  #list;
  #views;
  #on;
  #turns = [];
  #sight;
  #byElement = new WeakMap();
  #turnViews = new Map();
  #drawSoon = oncePerFrame(() => this.#draw());

  /** `on` has what TurnView asks for, and onDrawn(turn) after a turn has been drawn. */
  constructor(list, scroller, on) {
    this.#list = list;
    this.#views = new ViewList(list);
    this.#on = on;
    this.#sight = new IntersectionObserver((entries) => this.#seen(entries), { root: scroller, rootMargin: SIGHT });
  }

  /** The elements at which a turn's answer begins and ends; null when it is not drawn. */
  answerSpan(turn) {
    return this.#turnViews.get(turn.key)?.answerSpan ?? null;
  }

  /** Bring the card that waits for a decision into sight and hand it the focus. */
  showApproval() {
    const card = this.#list.querySelector(".approval");
    card?.scrollIntoView({ block: "center" });
    card?.focus({ preventScroll: true });
  }

  show(turns) {
    this.#turns = turns;
    this.#drawSoon();
  }

  #draw() {
    const [next] = this.#turns.filter(isUnfinished);
    setAttribute(this.#list, "aria-busy", next !== undefined);
    this.#views.show(this.#turns, (turn) => this.#create(turn), { last: this.#turns.at(-1), next });
    for (const turn of this.#turns) this.#on.onDrawn(turn);
  }

  #create(turn) {
    const view = new TurnView(turn, this.#on);
    const item = {
      element: view.element,
      update: (current, { last, next }) =>
        view.update(current, { isLast: current === last, isBehind: current !== next && isUnfinished(current) }),
      destroy: () => this.#drop(turn.key, view),
    };
    this.#turnViews.set(turn.key, view);
    this.#byElement.set(view.element, turn.key);
    this.#sight.observe(view.element);
    return item;
  }

  #drop(key, view) {
    if (this.#turnViews.get(key) === view) this.#turnViews.delete(key);
    this.#sight.unobserve(view.element);
    view.destroy();
  }

  #seen(entries) {
    for (const { isIntersecting, target } of entries) {
      const turn = isIntersecting && this.#turns.find(({ key }) => key === this.#byElement.get(target));
      if (turn && turn.loaded === "no" && turn.phase === "accepted") this.#on.onLoad(turn);
    }
  }
}
