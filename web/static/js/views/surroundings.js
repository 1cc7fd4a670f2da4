// What stands around the conversation and follows from it: title, buttons, welcome, the model's name.

import { setAttribute, setText } from "../helpers/dom.js";

export class SurroundingsView {
  #parts;

  /** `parts` are the views {composer, welcome, waiting} and the elements {title, model, badge}. */
  constructor(parts) {
    this.#parts = parts;
  }

  update(conversation, library) {
    const active = conversation.activeTurn;
    this.#parts.composer.setBusy(active !== null, { canStop: active?.phase === "accepted" && !active.stopping });
    const waiting = conversation.waitingTools;
    this.#parts.waiting.update(waiting);
    this.#showTitle(titleOf(conversation, library), { isBusy: active !== null, isWaiting: waiting.length > 0 });
    this.showWelcome(conversation, library);
  }

  showWelcome(conversation, { files, catalogue }) {
    const isEmpty = conversation.turns.length === 0 && conversation.threadId === null;
    const { agents, offline } = catalogue;
    this.#parts.welcome.update({ isEmpty, files, isOffline: offline, hasAgents: agents.length > 0 });
  }

  showCatalogue({ agents, default_agent: first, model, offline }) {
    this.#parts.composer.setAgents(agents, first);
    setText(this.#parts.model, offline ? "Built-in offline model" : model);
    setAttribute(this.#parts.badge, "hidden", !offline);
  }

  #showTitle(title, { isBusy, isWaiting }) {
    setText(this.#parts.title, title);
    const sign = isWaiting ? "Waiting for your yes · " : isBusy ? "● " : "";
    document.title = `${sign}${title} · outloud`;
  }
}

function titleOf({ threadId, title }, { threads }) {
  const listed = threads.find((thread) => thread.thread_id === threadId)?.title;
  return listed || title || (threadId === null ? "New chat" : "Chat");
}
