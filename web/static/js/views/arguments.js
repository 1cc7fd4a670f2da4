// The arguments of a tool call, name by name.

import { h } from "../helpers/dom.js";
import { count } from "../helpers/format.js";
import { showUnseen } from "../helpers/json.js";
import { textView } from "./result.js";

const SHORT = 80;
/** A text of more than these does not fit into its box, which then scrolls. */
const TALL = { lines: 15, characters: 600 };

export function argumentsView(args) {
  return listView(args, (text) => text, textView);
}

/** The same for someone who must know exactly what they are: nothing is left out, and nothing in it is invisible. */
export function exactArgumentsView(args) {
  return listView(args, showUnseen, wholeView);
}

function listView(args, clean, longView) {
  const entries = Object.entries(args);
  if (entries.length === 0) return h("p", { class: "arguments__none" }, "none");
  const items = entries.map(([name, value]) => {
    const text = clean(textOf(value));
    return [h("dt", {}, clean(name)), h("dd", {}, isShort(text) ? h("code", {}, text) : longView(text))];
  });
  return h("dl", { class: "arguments" }, items);
}

// A box that scrolls does not look like it everywhere: say how much there is to read.
function wholeView(text) {
  const pre = h("pre", { class: "text", tabindex: "0" }, text);
  const lines = text.split("\n").length;
  if (lines <= TALL.lines && text.length <= TALL.characters) return pre;
  const size = `${count(text.length, "character")} in ${count(lines, "line")}`;
  return [pre, h("p", { class: "arguments__size" }, size)];
}

function textOf(value) {
  return typeof value === "string" && value !== "" ? value : JSON.stringify(value, null, 2);
}

function isShort(text) {
  return !text.includes("\n") && text.length < SHORT;
}
