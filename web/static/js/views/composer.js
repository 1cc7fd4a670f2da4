// Where messages are written: text, agent choice, attaching files, send and stop.
//
// While a run is going on, a message is answered after it, or stops it: two buttons, of which Enter is the first.

import { h, setAttribute } from "../helpers/dom.js";

const TALLEST = 220;

export class ComposerView {
  #form;
  #text;
  #send;
  #stop;
  #choice;
  #agent;
  #on;
  #isBusy = false;

  /**
   * `choice` holds what can be chosen while a run is going on, with the button `interrupt`. `on` has
   * onSend(text, agent, whenBusy), onStop(), onFiles(files) and onDraft(text).
   */
  constructor({ form, text, send, stop, choice, interrupt, attach, picker, agent }, on) {
    this.#form = form;
    this.#text = text;
    this.#send = send;
    this.#stop = stop;
    this.#choice = choice;
    this.#agent = agent;
    this.#on = on;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit("queue");
    });
    interrupt.addEventListener("click", () => {
      this.#submit("interrupt");
      this.focus();
    });
    text.addEventListener("keydown", (event) => this.#pressed(event));
    text.addEventListener("input", () => this.#changed());
    text.addEventListener("paste", (event) => this.#pasted(event));
    stop.addEventListener("click", () => on.onStop());
    attach.addEventListener("click", () => picker.click());
    picker.addEventListener("change", () => {
      on.onFiles([...picker.files]);
      picker.value = "";
    });
  }

  /** Put a draft into the box. */
  set text(text) {
    this.#text.value = text;
    this.#showButtons();
    this.#fit();
  }

  get agent() {
    return this.#agent.value || null;
  }

  /** Put the cursor into the box, unless that would push a keyboard over half of the screen. */
  focus() {
    if (!isTouchOnly()) this.#text.focus({ preventScroll: true });
  }

  /** While a run is going on there is something to stop, and the next message waits for it or stops it. */
  setBusy(isBusy, { canStop }) {
    this.#isBusy = isBusy;
    setAttribute(this.#stop, "hidden", !isBusy);
    setAttribute(this.#stop, "disabled", !canStop);
    this.#showButtons();
  }

  /** Offer agents: `{name, description}` each; the first choice leaves it to `defaultAgent`. */
  setAgents(agents, defaultAgent) {
    const chosen = this.#agent.value;
    const options = agents
      .filter(({ name }) => name !== defaultAgent)
      .map(({ name, description }) => h("option", { value: name, title: description }, name));
    this.#agent.replaceChildren(
      h("option", { value: "" }, defaultAgent ? `Auto (${defaultAgent})` : "Auto"),
      ...options,
    );
    this.#agent.value = agents.some(({ name }) => name === chosen) ? chosen : "";
  }

  #submit(whenBusy) {
    const text = this.#text.value.trim();
    if (text === "") return;
    this.text = "";
    this.#changed();
    this.#on.onSend(text, this.agent, whenBusy);
  }

  #pressed(event) {
    // While an input method composes a word, Enter belongs to it.
    if (event.isComposing) return;
    if (event.key === "Enter" && !event.shiftKey && !isTouchOnly()) {
      event.preventDefault();
      this.#form.requestSubmit();
    } else if (event.key === "Escape" && this.#isBusy) {
      event.preventDefault();
      this.#on.onStop();
    }
  }

  #pasted(event) {
    const files = [...event.clipboardData.files];
    if (files.length === 0) return;
    event.preventDefault();
    this.#on.onFiles(files);
  }

  #changed() {
    this.#showButtons();
    this.#fit();
    this.#on.onDraft(this.#text.value);
  }

  #showButtons() {
    const isEmpty = this.#text.value.trim() === "";
    setAttribute(this.#send, "disabled", isEmpty);
    setAttribute(this.#send, "hidden", this.#isBusy && isEmpty);
    setAttribute(this.#send, "aria-label", this.#isBusy ? "Send after this answer" : "Send");
    setAttribute(this.#send, "title", this.#isBusy && "Send after this answer (Enter)");
    setAttribute(this.#choice, "hidden", !this.#isBusy || isEmpty);
  }

  #fit() {
    this.#text.style.height = "auto";
    this.#text.style.height = `${Math.min(TALLEST, this.#text.scrollHeight)}px`;
  }
}

// On a phone's keyboard there is no Shift+Enter: Enter makes a new line there and the button sends.
function isTouchOnly() {
  return matchMedia("(hover: none) and (pointer: coarse)").matches;
}
