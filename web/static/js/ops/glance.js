// The numbers at a glance.

import { h, setText } from "../helpers/dom.js";
import { formatNumber, formatRunningTime } from "../helpers/format.js";

const TILES = [
  { title: "Queued", read: ({ totals }) => totals.queued },
  { title: "Running", read: ({ totals }) => totals.running },
  { title: "Waiting for a person", read: ({ totals }) => totals.waiting },
  { title: "Without a worker", read: ({ totals }) => totals.without_worker, tone: "bad" },
  { title: "Workers", read: ({ workers_present: present }) => present, tone: "none" },
  { title: "Oldest wait", read: ({ totals }) => totals.oldest_wait_ms, words: formatRunningTime, tone: "wait" },
  { title: "Failed in the last hour", read: (_, hour) => hour?.failed ?? null, tone: "bad" },
];
/** A worker that is there takes a run within milliseconds. */
const LONG_WAIT = 5_000;

export class Glance {
  #values = TILES.map(() => h("dd", { class: "tile__value" }, "–"));
  #tiles;

  constructor(element) {
    this.#tiles = TILES.map(({ title }, index) =>
      h("div", { class: "tile" }, h("dt", { class: "tile__title" }, title), this.#values[index]),
    );
    element.replaceChildren(...this.#tiles);
  }

  show(overview, hour) {
    TILES.forEach(({ read, words = formatNumber, tone }, index) => {
      const value = read(overview, hour);
      setText(this.#values[index], value === null ? "–" : words(value));
      this.#tiles[index].className = `tile${toneOf(tone, value)}`;
    });
  }
}

function toneOf(tone, value) {
  if (tone === "bad" && value > 0) return " tile--bad";
  if (tone === "none" && value === 0) return " tile--bad";
  return tone === "wait" && value > LONG_WAIT ? " tile--warn" : "";
}
