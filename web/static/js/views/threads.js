// The list of threads in the sidebar, newest first, under the day of their last message.

import { h } from "../helpers/dom.js";
import { dayGroup } from "../helpers/format.js";
import { iconButton } from "./button.js";

export class ThreadsView {
  #element;
  #on;

  /** `on` has onOpen(threadId) and onDelete(thread). */
  constructor(element, on) {
    this.#element = element;
    this.#on = on;
  }

  update(threads, currentId) {
    if (threads.length === 0) return this.#showNone();
    const groups = new Map();
    for (const thread of threads) {
      const name = dayGroup(thread.updated_at);
      groups.set(name, [...(groups.get(name) ?? []), this.#item(thread, thread.thread_id === currentId)]);
    }
    const focused = document.activeElement?.dataset?.focusKey;
    this.#element.replaceChildren(...[...groups].map(([name, items]) => groupView(name, items)));
    if (focused) this.#element.querySelector(`[data-focus-key="${CSS.escape(focused)}"]`)?.focus();
    return undefined;
  }

  #showNone() {
    this.#element.replaceChildren(h("p", { class: "sidebar__none" }, "No chats yet."));
  }

  #item(thread, isCurrent) {
    const id = thread.thread_id;
    const title = thread.title || "Untitled";
    const link = h("a", { class: "entry__link", href: `/t/${id}`, title, "aria-current": isCurrent && "page" }, title);
    link.dataset.focusKey = `open-${id}`;
    link.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
      event.preventDefault();
      this.#on.onOpen(id);
    });
    const remove = iconButton("entry__delete", "trash", `Delete chat “${title}”`, () => this.#on.onDelete(thread));
    remove.dataset.focusKey = `delete-${id}`;
    return h("li", { class: "entry" }, link, remove);
  }
}

function groupView(name, items) {
  return h("section", { class: "sidebar__group" }, h("h3", {}, name), h("ul", {}, items));
}
