// Makes elements. Text always goes in as text nodes: no string ever becomes HTML here.

const SVG = "http://www.w3.org/2000/svg";

/**
 * Make an element. `attributes` may hold `on` (event listeners by name) and `data` (dataset); false, null and undefined
 * leave an attribute out, true sets it empty. Children are nodes, strings, numbers, or nested lists; null is skipped.
 */
export function h(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** As `h`, for SVG. */
export function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

function fill(element, { on = {}, data = {}, ...attributes }, children) {
  for (const [name, value] of Object.entries(attributes)) setAttribute(element, name, value);
  for (const [name, listener] of Object.entries(on)) element.addEventListener(name, listener);
  Object.assign(element.dataset, data);
  element.append(
    ...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false),
  );
  return element;
}

export function setAttribute(element, name, value) {
  if (value === false || value === null || value === undefined) element.removeAttribute(name);
  else element.setAttribute(name, value === true ? "" : String(value));
}

/** Set a node's text only if it differs, so that a selection in it survives. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Make `container` hold exactly `nodes`, in order, moving as few as possible. */
export function arrange(container, nodes) {
  let place = container.firstChild;
  for (const node of nodes) {
    if (node === place) place = place.nextSibling;
    else container.insertBefore(node, place);
  }
  while (place) {
    const next = place.nextSibling;
    place.remove();
    place = next;
  }
}

/** Views by key: makes those that are missing, forgets those that are gone. */
export class ViewList {
  #container;
  #views = new Map();

  constructor(container) {
    this.#container = container;
  }

  /** `create(item)` makes a view with `element` and `update(item, …rest)`. */
  show(items, create, ...rest) {
    const kept = new Map();
    for (const item of items) {
      const view = this.#views.get(item.key) ?? create(item);
      kept.set(item.key, view);
      view.update(item, ...rest);
    }
    for (const [key, view] of this.#views) if (!kept.has(key)) view.destroy?.();
    this.#views = kept;
    arrange(
      this.#container,
      [...kept.values()].map((view) => view.element),
    );
  }

  clear() {
    this.show([], null);
  }
}

let lastId = 0;

/** An id that no other element of this page has. */
export function newId(prefix) {
  lastId += 1;
  return `${prefix}-${lastId}`;
}
