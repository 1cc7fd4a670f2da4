// The connection's state in words, quiet while all is well, and short messages that need no answer.

import { CLOSE_CODES } from "../contract.js";
import { CLOSED } from "../words.js";
import { h, setAttribute } from "../helpers/dom.js";
import { icon } from "../helpers/icons.js";
import { iconButton, smallButton } from "./button.js";

const QUIET_FOR = 3_000;
const BACK_FOR = 2_500;
const PROBLEM_FOR = 8_000;

/** Nothing when connected; "Reconnecting…" only after some seconds, then "Back online" for a moment. */
export class ConnectionStatus {
  #element;
  #onReconnect;
  #late = null;
  #hiding = null;
  #isShowing = false;

  constructor(element, onReconnect) {
    this.#element = element;
    this.#onReconnect = onReconnect;
  }

  update(state, code) {
    if (state === "stopped") this.#stopped(code);
    else if (state === "idle") this.#idle();
    else if (state === "open") this.found();
    else this.lost();
  }

  /** There is no connection, or no network. */
  lost() {
    const say = () => this.#show("bad", navigator.onLine ? "Reconnecting…" : "You are offline");
    this.#late ??= setTimeout(say, QUIET_FOR);
  }

  /** There is a connection, or the network is back while none is needed. */
  found() {
    this.#forgetLoss();
    if (!this.#isShowing) return;
    this.#show("good", "Back online");
    this.#isShowing = false;
    this.#hiding = setTimeout(() => this.#hide(), BACK_FOR);
  }

  // Nobody needs a connection: that is no news, good or bad.
  #idle() {
    this.#forgetLoss();
    if (this.#isShowing) this.#hide();
  }

  #stopped(code) {
    this.#forgetLoss();
    // That somebody has to sign in is said by the session's own bar.
    if (code === 1000 || code === CLOSE_CODES.SIGN_IN) return this.#hide();
    return this.#show(
      "bad",
      CLOSED[code] ?? "The connection was closed.",
      smallButton("Connect again", this.#onReconnect),
    );
  }

  #forgetLoss() {
    clearTimeout(this.#late);
    this.#late = null;
  }

  #show(tone, text, ...more) {
    clearTimeout(this.#hiding);
    this.#isShowing = true;
    this.#element.className = `connection connection--${tone}`;
    this.#element.replaceChildren(icon(tone === "good" ? "check" : "warning"), h("span", {}, text), ...more);
    setAttribute(this.#element, "hidden", false);
  }

  #hide() {
    this.#isShowing = false;
    setAttribute(this.#element, "hidden", true);
    this.#element.replaceChildren();
  }
}

/** Say what went wrong with something the person did, for some seconds or until it is closed. */
export function showProblem(container, message) {
  const note = h("div", { class: "toast", role: "alert" }, icon("warning"), h("span", {}, message));
  note.append(iconButton("toast__close", "close", "Close", () => note.remove()));
  container.append(note);
  setTimeout(() => note.remove(), PROBLEM_FOR);
}

/** Keep saying something for as long as it is true; null takes it back. */
export function showNotice(element, text) {
  setAttribute(element, "hidden", text === null);
  if (element.textContent !== (text ?? "")) element.replaceChildren(...(text ? [icon("warning"), text] : []));
}

/** Tell screen readers something once. */
export function announce(element, text) {
  // The same text twice is no change, hence nothing would be said: empty it first.
  element.textContent = "";
  setTimeout(() => (element.textContent = text), 50);
}
