// A table whose lines change while one looks at it: they keep their elements, hence the focus and a selection in them.

import { h, setText, ViewList } from "../helpers/dom.js";
import { smallButton } from "../views/button.js";
import { steadyOrder } from "./words.js";

/**
 * `columns` are `{title, name, make?, show?}`: `make(item)` gives a cell's content once, `show(cell, item, late)` brings it up
 * to date; a column with neither shows nothing. `empty` is said when there are no lines.
 */
export class LiveTable {
  #columns;
  #list;
  #shown = [];
  #body = h("tbody", { role: "rowgroup" });
  #table;
  #empty;
  #heading;
  element;

  constructor({ caption, columns, empty, heading }) {
    this.#columns = columns;
    this.#heading = heading;
    const titles = columns.map(({ title, name }) =>
      h("th", { scope: "col", role: "columnheader", class: `lines__${name}` }, title),
    );
    this.#table = h(
      "table",
      { class: "lines", role: "table" },
      h("caption", { class: "visually-hidden" }, caption),
      h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, titles)),
      this.#body,
    );
    this.#empty = h("p", { class: "lines__empty" }, empty);
    this.element = h("div", { class: "lines__frame" }, this.#table, this.#empty);
    this.#list = new ViewList(this.#body);
  }

  /** Show these items, each with a `key`; what is told of times is `late` ms old. */
  show(items, late) {
    const focused = this.#body.contains(document.activeElement) ? document.activeElement : null;
    const isHeld = focused !== null || this.#body.matches(":hover");
    const ordered = steadyOrder(this.#shown, items, isHeld);
    this.#shown = ordered.map(({ key }) => key);
    this.#list.show(ordered, () => new Line(this.#columns), late);
    this.#table.hidden = items.length === 0;
    this.#empty.hidden = items.length > 0;
    // The line that had the focus is gone: stay in this part of the page.
    if (focused !== null && !focused.isConnected) this.#heading.focus({ preventScroll: true });
  }
}

class Line {
  #columns;
  #cells = null;
  #item = null;
  element = h("tr", { role: "row" });

  constructor(columns) {
    this.#columns = columns;
  }

  update(item, late) {
    this.#item = item;
    this.#cells ??= this.#make();
    this.#columns.forEach(({ show }, index) => show?.(this.#cells[index], item, late));
  }

  #make() {
    const cells = this.#columns.map(({ title, name, make }) => {
      const content = make?.(() => this.#item) ?? null;
      return h("td", { role: "cell", class: `lines__${name}`, data: { title } }, content);
    });
    this.element.append(...cells);
    return cells;
  }
}

/** Bring the text of a cell up to date. */
export function textCell(read) {
  return (cell, item, late) => setText(cell, read(item, late));
}

/** A cell with a state in words and colour. */
export function stateCell(read) {
  return (cell, item) => {
    const { text, tone } = read(item);
    cell.firstElementChild ?? cell.append(h("span"));
    cell.firstElementChild.className = `state${tone && ` state--${tone}`}`;
    setText(cell.firstElementChild, text);
  };
}

/** A button of a line; `name` says to screen readers which line it is of. */
export function actionButton(text, label, onClick) {
  const button = smallButton(text, onClick);
  button.setAttribute("aria-label", label);
  return button;
}
