// Says that nobody is signed in and where that can be changed; in the sidebar, who is.

import { h, setAttribute, setText } from "../helpers/dom.js";
import { icon } from "../helpers/icons.js";
import { signInUrl } from "../session.js";
import { smallButton } from "./button.js";

export class SessionView {
  #parts;
  #template;
  #onLook;

  /**
   * `parts` are the elements {bar, person, name, operators}; `template` is where to sign in, or empty; `onLook` looks
   * whether somebody is signed in by now.
   */
  constructor(parts, template, onLook) {
    this.#parts = parts;
    this.#template = template;
    this.#onLook = onLook;
  }

  /** Nobody is signed in; `known` is who was, or null. */
  lost(known) {
    const verb = known ? "Sign in again" : "Sign in";
    const state = known ? "Your sign-in has ended. What is running goes on." : "You are not signed in.";
    const hint = this.#template ? "" : ` ${verb} in another tab; this page then goes on by itself.`;
    const text = h("span", { class: "session__text" }, state + hint);
    const way = this.#template ? this.#link(verb) : smallButton("Look again", this.#onLook);
    this.#parts.bar.replaceChildren(icon("warning"), text, way);
    setAttribute(this.#parts.bar, "hidden", false);
  }

  found() {
    setAttribute(this.#parts.bar, "hidden", true);
    this.#parts.bar.replaceChildren();
  }

  show({ name, operator }) {
    setText(this.#parts.name, name);
    setAttribute(this.#parts.name, "title", name || null);
    setAttribute(this.#parts.operators, "hidden", !operator);
    setAttribute(this.#parts.person, "hidden", name === "" && !operator);
  }

  // The page's address changes while the bar is shown: where to come back to is settled by the click.
  #link(verb) {
    const href = () => signInUrl(this.#template, location.href);
    const settle = (event) => setAttribute(event.currentTarget, "href", href());
    return h("a", { class: "button button--small", href: href(), on: { click: settle, auxclick: settle } }, verb);
  }
}
