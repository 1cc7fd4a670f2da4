// The button that changes between light, dark, and what the system has.

import { setAttribute } from "../helpers/dom.js";
import { icon } from "../helpers/icons.js";

const ICONS = { system: "system", light: "sun", dark: "moon" };

/** Let `button` change the colours; the choice itself is kept by theme.js, which runs before the page is drawn. */
export function wireTheme(button) {
  const show = (choice) => {
    button.replaceChildren(icon(ICONS[choice]));
    setAttribute(button, "aria-label", `Colours: ${choice}`);
    setAttribute(button, "title", `Colours: ${choice}`);
  };
  button.addEventListener("click", () => show(window.outloudTheme.next()));
  show(window.outloudTheme.read());
}
