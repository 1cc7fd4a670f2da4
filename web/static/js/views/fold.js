// A button that opens and closes what is below it. What is closed is not in the page at all, which bounds a long story.

import { h, newId, setAttribute } from "../helpers/dom.js";
import { icon } from "../helpers/icons.js";

export class Fold {
  isOpen = false;
  #choice = null;
  #isHeld = false;
  #onOpen;
  #onClose;

  /** `head` are the nodes inside the button; `onOpen(body)` fills the body, `onClose(body)` lets go of it. */
  constructor(className, head, { onOpen, onClose = () => {} }) {
    this.#onOpen = onOpen;
    this.#onClose = onClose;
    this.body = h("div", { class: `${className}__body`, id: newId("fold"), hidden: true });
    this.button = h(
      "button",
      { type: "button", class: `${className}__head fold` },
      head,
      icon("chevron", "icon fold__arrow"),
    );
    this.button.setAttribute("aria-expanded", "false");
    this.button.setAttribute("aria-controls", this.body.id);
    this.button.addEventListener("click", () => this.#choose(!this.isOpen));
  }

  /** Open or close, unless the person has chosen already. */
  suggest(isOpen) {
    this.#set(this.#isHeld || (this.#choice ?? isOpen));
  }

  /** While held it is open, whatever the person has chosen: there is something in it that must be seen. */
  hold(isHeld) {
    if (isHeld === this.#isHeld) return;
    this.#isHeld = isHeld;
    setAttribute(this.button, "aria-disabled", isHeld && "true");
    if (!isHeld) return;
    this.#choice ||= null;
    this.#set(true);
  }

  /** Leave it as it is from now on: someone is reading. */
  keep() {
    this.#choice ??= this.isOpen;
  }

  #choose(isOpen) {
    if (this.#isHeld) return;
    this.#choice = isOpen;
    this.#set(isOpen);
  }

  #set(isOpen) {
    if (isOpen === this.isOpen) return;
    this.isOpen = isOpen;
    this.button.setAttribute("aria-expanded", String(isOpen));
    setAttribute(this.body, "hidden", !isOpen);
    if (isOpen) this.#onOpen(this.body);
    else this.#onClose(this.body);
  }
}
