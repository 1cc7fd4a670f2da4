// Markdown that grows while it is shown. Only blocks that have changed are made anew, so what is already there does not
// flicker, keeps its selection, and a long answer costs no more per frame than a short one.

import { h } from "../helpers/dom.js";
import { icon } from "../helpers/icons.js";
import { blocksOf, renderBlock } from "../helpers/markdown.js";

const COPIED_FOR = 1_500;

export class MarkdownView {
  element = h("div", { class: "markdown" });
  #text = "";
  #blocks = [];
  #nextRender = 0;
  #late = null;

  /** Show `text`; `streaming` marks the end of the text as still growing. */
  update(text, { streaming = false } = {}) {
    this.element.classList.toggle("markdown--streaming", streaming);
    if (text === this.#text) return;
    this.#text = text;
    clearTimeout(this.#late);
    // A very long text takes longer than a frame to read again: spend a quarter of the time on it at most.
    const wait = this.#nextRender - performance.now();
    if (streaming && wait > 0) this.#late = setTimeout(() => this.#render(), wait);
    else this.#render();
  }

  #render() {
    const started = performance.now();
    const blocks = blocksOf(this.#text);
    const same = blocks.findIndex((block, index) => block.raw !== this.#blocks[index]?.raw);
    const keep = same < 0 ? blocks.length : same;
    for (const old of this.#blocks.slice(keep)) old.element.remove();
    this.#blocks.length = keep;
    for (const block of blocks.slice(keep)) this.#append(block);
    this.#nextRender = performance.now() + 3 * (performance.now() - started);
  }

  #append(block) {
    const element = h("div", { class: "markdown__block" }, renderBlock(block));
    for (const table of element.querySelectorAll("table")) wrapTable(table);
    for (const code of element.querySelectorAll("pre")) wrapCode(code);
    this.#blocks.push({ raw: block.raw, element });
    this.element.append(element);
  }
}

// Wide tables scroll by themselves instead of making the page scroll; reachable by keyboard, hence the tab stop.
function wrapTable(table) {
  const frame = h("div", { class: "markdown__table", tabindex: "0", role: "region", "aria-label": "Table" });
  table.replaceWith(frame);
  frame.append(table);
}

function wrapCode(pre) {
  const head = h(
    "div",
    { class: "code__head" },
    h("span", {}, pre.dataset.language || "text"),
    copyButton(() => pre.textContent),
  );
  const frame = h("div", { class: "code" }, head);
  pre.tabIndex = 0;
  pre.replaceWith(frame);
  frame.append(pre);
}

/** A button that copies what `read()` returns and says so for a moment. */
export function copyButton(read, label = "Copy") {
  const text = h("span", {}, label);
  const button = h("button", { type: "button", class: "button button--quiet button--small" }, icon("copy"), text);
  button.addEventListener("click", async () => {
    const done = await copy(read());
    text.textContent = done ? "Copied" : "Not allowed";
    setTimeout(() => (text.textContent = label), COPIED_FOR);
  });
  return button;
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}
