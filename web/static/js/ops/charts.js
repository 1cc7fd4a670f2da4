// Small charts of the last hour, one value or stack a minute.

import { scale, ticksOf } from "../chartscale.js";
import { h, setText, svg } from "../helpers/dom.js";
import { formatCompact, formatDuration, formatNumber } from "../helpers/format.js";

const HEIGHT = 132;
const BOX = { top: 8, right: 4, bottom: 20, left: 48 };
const LEAST_WIDTH = 160;
const timeFormat = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });

const CHARTS = [
  {
    title: "Runs that ended",
    kind: "bars",
    series: [
      { name: "Completed", field: "completed", tone: "good" },
      { name: "Stopped", field: "cancelled", tone: "stopped" },
      { name: "Failed", field: "failed", tone: "bad" },
    ],
  },
  { title: "Waiting to begin, at most", kind: "bars", series: [{ name: "Runs", field: "queued", tone: "queue" }] },
  {
    title: "Time until a worker began",
    kind: "lines",
    format: formatDuration,
    series: [
      { name: "Median", field: "wait_p50", tone: "queue" },
      { name: "95 %", field: "wait_p95", tone: "high" },
    ],
  },
  {
    title: "Time until the end",
    kind: "lines",
    format: formatDuration,
    series: [
      { name: "Median", field: "took_p50", tone: "queue" },
      { name: "95 %", field: "took_p95", tone: "high" },
    ],
  },
];

export class Charts {
  #charts = CHARTS.map((spec) => new MinuteChart(spec));

  constructor(element) {
    element.replaceChildren(...this.#charts.map((chart) => chart.element));
    new ResizeObserver(() => this.#charts.forEach((chart) => chart.draw())).observe(element);
  }

  show(hour) {
    for (const chart of this.#charts) chart.show(hour);
  }
}

class MinuteChart {
  #spec;
  #minutes = [];
  #drawing = svg("svg", { class: "minute__drawing", role: "img", height: HEIGHT });
  #rows = h("tbody");
  #numbers;
  element;

  constructor(spec) {
    this.#spec = spec;
    const titles = ["Minute", ...spec.series.map(({ name }) => name)].map((name) => h("th", { scope: "col" }, name));
    const table = h("table", { class: "minute__table" }, h("caption", { class: "visually-hidden" }, spec.title));
    table.append(h("thead", {}, h("tr", {}, titles)), this.#rows);
    this.#numbers = h("details", { class: "minute__numbers" }, h("summary", {}, "Numbers"), table);
    this.#numbers.addEventListener("toggle", () => this.#showNumbers());
    this.element = h(
      "figure",
      { class: "minute" },
      h("figcaption", { class: "minute__title" }, spec.title),
      this.#drawing,
      h("div", { class: "minute__foot" }, legend(spec), this.#numbers),
    );
  }

  show({ minutes }) {
    this.#minutes = minutes;
    this.draw();
    this.#showNumbers();
  }

  draw() {
    if (this.#minutes.length === 0) return;
    const width = Math.max(LEAST_WIDTH, this.#drawing.clientWidth);
    this.#drawing.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    this.#drawing.setAttribute("aria-label", summary(this.#spec, this.#minutes));
    this.#drawing.replaceChildren(...drawingOf(this.#spec, this.#minutes, width));
  }

  // Read out by few, so made only for those who open it.
  #showNumbers() {
    if (!this.#numbers.open) return;
    const { series } = this.#spec;
    const told = this.#minutes.filter((minute) => series.some(({ field }) => minute[field]));
    const cells = (minute) => series.map(({ field }) => h("td", {}, words(this.#spec, minute[field])));
    const rows = told.map((minute) => h("tr", {}, h("th", { scope: "row" }, timeFormat.format(minute.at)), cells(minute)));
    this.#rows.replaceChildren(...rows.reverse());
    if (rows.length === 0) this.#rows.append(h("tr", {}, h("td", { colspan: series.length + 1 }, "Nothing yet.")));
  }
}

function words({ format = formatNumber }, value) {
  return value === null ? "–" : format(value);
}

function summary(spec, minutes) {
  const parts = spec.series.map(({ name, field }) => {
    const values = minutes.map((minute) => minute[field]).filter((value) => value !== null);
    if (spec.format || field === "queued") return `${name}: at most ${words(spec, Math.max(0, ...values))}`;
    return `${name}: ${formatNumber(values.reduce((sum, value) => sum + value, 0))}`;
  });
  return `${spec.title}, by minute for an hour. ${parts.join("; ")}.`;
}

function legend({ series }) {
  if (series.length < 2) return h("span");
  return h(
    "ul",
    { class: "minute__legend" },
    series.map(({ name, tone }) => h("li", {}, h("span", { class: `minute__key tone--${tone}` }), name)),
  );
}

function drawingOf(spec, minutes, width) {
  const tops = minutes.map((minute) => heightOf(spec, minute));
  const ticks = ticksFor(spec, Math.max(...tops));
  const y = scale(0, ticks.at(-1), HEIGHT - BOX.bottom, BOX.top);
  const band = (width - BOX.left - BOX.right) / minutes.length;
  const x = (index) => BOX.left + band * index;
  const shapes = spec.kind === "bars" ? bars(spec, minutes, { x, y, band }) : lines(spec, minutes, { x, y, band });
  return [...grid(spec, ticks, y, width), ...times(minutes, x, width), ...shapes, ...hints(spec, minutes, { x, band })];
}

// Whole runs cannot be halved, and a flat hour still needs an axis.
function ticksFor({ format, kind }, top) {
  if (kind === "bars" && top < 3) return [0, 1, 2, 3];
  return ticksOf(0, Math.max(top, format ? 100 : 1), 3);
}

function heightOf({ kind, series }, minute) {
  const values = series.map(({ field }) => minute[field] ?? 0);
  return kind === "bars" ? values.reduce((sum, value) => sum + value, 0) : Math.max(...values);
}

// Room on the axis is for one number.
function axisWords({ format }, tick) {
  if (!format) return formatCompact(tick);
  if (tick === 0) return "0";
  if (tick < 1_000) return `${tick} ms`;
  return tick < 180_000 ? `${formatCompact(tick / 1_000)} s` : `${formatCompact(Math.round(tick / 6_000) / 10)} min`;
}

function grid(spec, ticks, y, width) {
  return ticks.flatMap((tick) => [
    svg("line", { class: "minute__grid", x1: BOX.left, x2: width - BOX.right, y1: y(tick), y2: y(tick) }),
    svg("text", { class: "minute__tick minute__tick--end", x: BOX.left - 6, y: y(tick) + 4 }, axisWords(spec, tick)),
  ]);
}

function times(minutes, x, width) {
  const places = width > 240 ? [0, 15, 30, 45] : [0, 30];
  return places.map((index) =>
    svg("text", { class: "minute__tick", x: x(index), y: HEIGHT - 5 }, timeFormat.format(minutes[index].at)),
  );
}

function bars({ series }, minutes, { x, y, band }) {
  return minutes.flatMap((minute, index) => {
    let sum = 0;
    return series.map(({ field, tone }) => {
      if (!minute[field]) return svg("g");
      const bottom = y(sum);
      sum += minute[field];
      const box = { x: x(index) + band * 0.1, y: y(sum), width: Math.max(1, band * 0.8), height: bottom - y(sum) };
      return svg("rect", { class: `tone--${tone}`, ...box });
    });
  });
}

function lines({ series }, minutes, { x, y, band }) {
  return series.flatMap(({ field, tone }) => {
    let pen = "M";
    const dots = [];
    const path = minutes.reduce((drawn, minute, index) => {
      if (minute[field] === null) {
        pen = "M";
        return drawn;
      }
      const [cx, cy] = [x(index) + band / 2, y(minute[field])];
      dots.push(svg("circle", { class: `tone--${tone}`, cx, cy, r: 2 }));
      const step = `${pen}${cx.toFixed(1)} ${cy.toFixed(1)}`;
      pen = "L";
      return drawn + step;
    }, "");
    return [svg("path", { class: `minute__line tone--${tone}`, d: path }), ...dots];
  });
}

/** An unseen column for each minute, which tells a pointer the numbers. */
function hints(spec, minutes, { x, band }) {
  return minutes.map((minute, index) => {
    const told = spec.series.map(({ name, field }) => `${name}: ${words(spec, minute[field])}`).join("\n");
    const column = { x: x(index), y: BOX.top, width: band, height: HEIGHT - BOX.top - BOX.bottom };
    return svg("rect", { class: "minute__hint", ...column }, svg("title", {}, `${timeFormat.format(minute.at)}\n${told}`));
  });
}

/** Say since when the hour is whole, when that is not an hour ago. */
export function hourNote(element, { since, minutes }) {
  const isCut = since > minutes[0].at;
  setText(element, isCut ? `More runs ended than are kept: whole since ${timeFormat.format(since)}.` : "by minute");
}
