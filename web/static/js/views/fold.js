// A button that opens and closes what is below it. What is closed is not in the page at all, which bounds a long story.

import { h, newId, setAttribute } from "../helpers/dom.js";
import { icon } from "../helpers/icons.js";

export class Fold {
  isOpen = false;
  #choice = null;
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
    this.#set(this.#choice ?? isOpen);
  }

  /** Leave it as it is from now on: someone is reading. */
  keep() {
    this.#choice ??= this.isOpen;
  }

  #choose(isOpen) {
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
