// The buttons that views make.

import { h } from "../helpers/dom.js";
import { icon } from "../helpers/icons.js";

/** A small button with words on it; `iconName` and `quiet` (no frame) are a matter of looks. */
export function smallButton(text, onClick, { iconName = null, quiet = false } = {}) {
  const className = `button button--small${quiet ? " button--quiet" : ""}`;
  return h("button", { type: "button", class: className, on: { click: onClick } }, iconName && icon(iconName), text);
}

/** A button that is only an icon; `label` says to everyone what it does. */
export function iconButton(className, iconName, label, onClick) {
  return h("button", { type: "button", class: className, "aria-label": label, on: { click: onClick } }, icon(iconName));
}
