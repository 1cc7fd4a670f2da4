// The parts of an agent call that are not tools or agents: thoughts, messages, notices, and events of unknown type.

import { h, setText } from "../helpers/dom.js";
import { plainLine, shorten } from "../helpers/format.js";
import { icon } from "../helpers/icons.js";
import { Fold } from "./fold.js";
import { MarkdownView } from "./markdown.js";
import { textView } from "./result.js";

export class ThoughtView {
  #part = null;
  #label = h("span", { class: "thought__label" });
  #excerpt = h("span", { class: "thought__excerpt" });
  #text = h("p", { class: "thought__text" });
  #fold;

  constructor() {
    const head = [icon("thought"), this.#label, this.#excerpt];
    this.#fold = new Fold("thought", head, {
      onOpen: (body) => this.#open(body),
      onClose: (body) => body.replaceChildren(),
    });
    this.element = h("div", { class: "thought" }, this.#fold.button, this.#fold.body);
  }

  /** `isCurrent` is true while the agent is still at this thought: it is then open. */
  update(part, { isCurrent }) {
    this.#part = part;
    this.element.classList.toggle("thought--current", isCurrent);
    setText(this.#label, isCurrent ? "Thinking" : "Thought");
    this.#fold.suggest(isCurrent);
    setText(this.#excerpt, this.#fold.isOpen ? "" : shorten(plainLine(part.text), 140));
    setText(this.#text, part.text);
  }

  #open(body) {
    setText(this.#excerpt, "");
    setText(this.#text, this.#part.text);
    body.append(this.#text);
  }
}

export class MessageView {
  #markdown = new MarkdownView();
  element = h("div", { class: "said" }, this.#markdown.element);

  update(part, { isCurrent }) {
    this.#markdown.update(part.text, { streaming: isCurrent });
  }
}

export class NoticeView {
  element = h("p", { class: "notice" });

  update({ reason, attempt }) {
    this.element.replaceChildren(icon("retry"), h("span", {}, `Picked up again (attempt ${attempt}). ${reason}`));
  }
}

/** An event of a type that is newer than this page: shown as it came, rather than not at all. */
export class UnknownView {
  #part = null;
  element = h("details", { class: "unknown" });

  update(part) {
    if (part === this.#part) return;
    this.#part = part;
    const text = JSON.stringify(part.data, null, 2) ?? "";
    this.element.replaceChildren(h("summary", {}, `Event “${part.type}”`), textView(text));
  }
}
