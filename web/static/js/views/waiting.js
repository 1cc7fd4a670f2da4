// Says beside the message box that a tool call waits for a person's yes, wherever the reader is, and once aloud.

import { setAttribute, setText } from "../helpers/dom.js";

export class WaitingView {
  #parts;
  #onNews;
  #told = new Set();

  /** `parts` are the elements {line, text, show}; `onNews(text)` is called for calls that were not waiting before. */
  constructor(parts, { onShow, onNews }) {
    this.#parts = parts;
    this.#onNews = onNews;
    parts.show.addEventListener("click", () => onShow());
  }

  /** `waiting` are the tool calls, as Conversation gives them. */
  update(waiting) {
    setAttribute(this.#parts.line, "hidden", waiting.length === 0);
    if (waiting.length > 0) setText(this.#parts.text, lineOf(waiting));
    const news = waiting.filter((one) => !this.#told.has(keyOf(one)));
    this.#told = new Set(waiting.map(keyOf));
    if (news.length > 0) this.#onNews(news.map(newsOf).join(" "));
  }
}

function keyOf({ turn, tool }) {
  return `${turn.runId} ${tool.callId}`;
}

function lineOf(waiting) {
  const [{ tool }] = waiting;
  return `Waiting for your yes: ${waiting.length === 1 ? tool.name : `${waiting.length} calls`}`;
}

function newsOf({ agentName, tool }) {
  return `Waiting for your yes: ${agentName} asks to call ${tool.name}. Allow or deny it in the conversation.`;
}
