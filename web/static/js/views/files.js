// The user's files in the sidebar, and the uploads under way above the composer.

import { h } from "../helpers/dom.js";
import { count, formatBytes } from "../helpers/format.js";
import { icon } from "../helpers/icons.js";
import { iconButton } from "./button.js";

export class FilesView {
  #element;
  #on;

  /** `on` has onDelete(file). */
  constructor(element, on) {
    this.#element = element;
    this.#on = on;
  }

  update(files) {
    const none = h("p", { class: "sidebar__none" }, "Add a CSV or a text document to ask about it.");
    this.#element.replaceChildren(
      files.length === 0
        ? none
        : h(
            "ul",
            {},
            files.map((file) => this.#item(file)),
          ),
    );
  }

  #item(file) {
    const name = h("span", { class: "entry__name", title: file.name }, file.name);
    const about = h("span", { class: "entry__about" }, name, h("span", { class: "entry__facts" }, factsOf(file)));
    const label = `Delete file “${file.name}”`;
    const remove = iconButton("entry__delete", "trash", label, () => this.#on.onDelete(file));
    return h("li", { class: "entry entry--file" }, icon(file.kind === "table" ? "table" : "document"), about, remove);
  }
}

/** Uploads under way or just ended, as chips. */
export class UploadsView {
  #element;

  constructor(element) {
    this.#element = element;
  }

  /** Show a new upload; answers the chip's `progress(fraction)`, `done(file)` and `failed(message)`. */
  add(name) {
    const bar = h("progress", { class: "progress", max: "1", value: "0", "aria-label": `Upload of ${name}` });
    const note = h("span", { class: "upload__note" }, "0 %");
    const close = iconButton("upload__close", "close", `Forget the upload of ${name}`, () => chip.remove());
    const chip = h("div", { class: "upload" }, h("span", { class: "upload__name" }, name), note, bar, close);
    this.#element.append(chip);
    return {
      progress: (fraction) => show(bar, note, fraction),
      done: (file) => finish(chip, bar, note, { className: "upload--done", text: factsOf(file) }),
      failed: (message) => finish(chip, bar, note, { className: "upload--failed", text: message }),
    };
  }

  /** A message has been sent: what was added belongs to the past. */
  clearDone() {
    for (const chip of this.#element.querySelectorAll(".upload--done")) chip.remove();
  }
}

function factsOf(file) {
  return file.kind === "table"
    ? `${count(file.rows, "row")}, ${count(file.columns.length, "column")}`
    : formatBytes(file.size);
}

function show(bar, note, fraction) {
  bar.value = fraction;
  note.textContent = fraction < 1 ? `${Math.floor(fraction * 100)} %` : "Reading…";
}

function finish(chip, bar, note, { className, text }) {
  chip.classList.add(className);
  bar.remove();
  note.setAttribute("role", "status");
  note.textContent = text;
}
