// A tool result of the shape `{kind: "chart", chart, title, x_label, y_label, labels, series}`, drawn as SVG.

import { labelStride, positionsOf, scale, slicesOf, ticksOf, valuesOf } from "../chartscale.js";
import { h, svg } from "../helpers/dom.js";
import { formatCompact, formatNumber, shorten } from "../helpers/format.js";
import { tableView } from "./table.js";

const WIDE = 640;
// On a phone the drawing is made smaller instead of shrunk, so that its text stays readable.
const NARROW = 380;
const NARROW_SCREEN = "(max-width: 560px)";
const HEIGHT = 300;
const BOX = { left: 62, right: 16, top: 12, bottom: 46 };
const COLOURS = 8;
const MOST_MARKS = 2_000;
const DRAW = { bar: drawBars, line: drawLines, scatter: drawPoints, pie: drawPie };

/** True for a value that can be drawn, whatever an agent's author has put into it. */
export function isChart(value) {
  if (value?.kind !== "chart" || !Object.hasOwn(DRAW, value.chart)) return false;
  if (!Array.isArray(value.labels) || !Array.isArray(value.series) || value.series.length === 0) return false;
  if (value.labels.length * value.series.length > MOST_MARKS) return false;
  return value.series.every((series) => Array.isArray(series?.values)) && valuesOf(value.series).length > 0;
}

export function chartView(value) {
  const width = matchMedia(NARROW_SCREEN).matches ? NARROW : WIDE;
  const chart = { ...value, width, labels: value.labels.map(String), title: String(value.title ?? "") };
  const drawing = svg(
    "svg",
    { class: "chart__drawing", viewBox: `0 0 ${width} ${HEIGHT}`, role: "img", "aria-label": describe(chart) },
    DRAW[chart.chart](chart),
  );
  const data = h("details", { class: "chart__data" }, h("summary", {}, "Show the numbers"));
  data.addEventListener("toggle", () => data.children.length === 1 && data.append(tableView(toTable(chart))), {
    once: true,
  });
  return h(
    "figure",
    { class: "chart" },
    h("figcaption", { class: "chart__title" }, chart.title),
    drawing,
    legendOf(chart),
    data,
  );
}

function describe({ chart, title, labels, series }) {
  return `${chart} chart: ${title}. ${series.map(({ name }) => name).join(", ")} over ${labels.length} values.`;
}

function toTable({ x_label: xLabel, labels, series }) {
  const rows = labels.map((label, index) => [label, ...series.map(({ values }) => values[index] ?? null)]);
  return {
    kind: "table",
    columns: [String(xLabel || ""), ...series.map(({ name }) => String(name))],
    rows,
    total_rows: rows.length,
  };
}

function legendOf({ chart, labels, series }) {
  const names = chart === "pie" ? labels : series.map(({ name }) => String(name));
  if (names.length < 2) return null;
  return h(
    "ul",
    { class: "chart__legend" },
    names.map((name, index) => h("li", {}, h("span", { class: `chart__key ${colour(index)}` }), shorten(name, 40))),
  );
}

function colour(index) {
  return `chart__colour--${index % COLOURS}`;
}

function mark(tag, attributes, text) {
  return svg(tag, attributes, svg("title", {}, text));
}

function label({ labels, series }, index, of) {
  return `${labels[index]} · ${series[of].name}: ${formatNumber(series[of].values[index])}`;
}

function dot(chart, of, index, cx, y, className, r) {
  const value = chart.series[of].values[index];
  return Number.isFinite(value)
    ? mark("circle", { class: className, cx, cy: y(value), r }, label(chart, index, of))
    : null;
}

/** Frame, grid and axis names; answers the nodes and the vertical scale. */
function axes({ x_label: xLabel, y_label: yLabel, series, width }, { fromZero }) {
  const values = valuesOf(series);
  const low = Math.min(...values, ...(fromZero ? [0] : []));
  const ticks = ticksOf(low, Math.max(...values, ...(fromZero ? [0] : [])));
  const y = scale(ticks[0], ticks.at(-1), HEIGHT - BOX.bottom, BOX.top);
  const nodes = ticks.flatMap((tick) => [
    svg("line", {
      class: tick === 0 ? "chart__zero" : "chart__grid",
      x1: BOX.left,
      x2: width - BOX.right,
      y1: y(tick),
      y2: y(tick),
    }),
    svg("text", { class: "chart__tick chart__tick--end", x: BOX.left - 8, y: y(tick) + 4 }, formatCompact(tick)),
  ]);
  const middle = (HEIGHT - BOX.bottom + BOX.top) / 2;
  nodes.push(
    svg(
      "text",
      { class: "chart__axis", x: (width + BOX.left - BOX.right) / 2, y: HEIGHT - 6 },
      shorten(String(xLabel ?? ""), 60),
    ),
  );
  nodes.push(
    svg(
      "text",
      { class: "chart__axis", x: 14, y: middle, transform: `rotate(-90 14 ${middle})` },
      shorten(String(yLabel ?? ""), 30),
    ),
  );
  return { nodes, y };
}

function bandLabels({ labels, width }, x) {
  const stride = labelStride(labels, width - BOX.left - BOX.right);
  return labels.map((text, index) => (index % stride === 0 ? tickLabel(x(index), shorten(text, 14)) : null));
}

function tickLabel(x, text) {
  return svg("text", { class: "chart__tick", x, y: HEIGHT - BOX.bottom + 18 }, text);
}

function drawBars(chart) {
  const { nodes, y } = axes(chart, { fromZero: true });
  const band = (chart.width - BOX.left - BOX.right) / Math.max(1, chart.labels.length);
  const width = Math.min(46, (band * 0.72) / chart.series.length);
  const middle = (index) => BOX.left + band * (index + 0.5);
  const bars = chart.series.flatMap(({ values }, of) =>
    chart.labels.map((_, index) => {
      if (!Number.isFinite(values[index])) return null;
      const x = middle(index) + width * (of - chart.series.length / 2);
      const top = Math.min(y(values[index]), y(0));
      const height = Math.max(1, Math.abs(y(values[index]) - y(0)));
      return mark(
        "rect",
        {
          class: `chart__bar ${colour(of)}`,
          x: x + 1,
          y: top,
          width: Math.max(1, width - 2),
          height,
          rx: Math.min(3, width / 4),
        },
        label(chart, index, of),
      );
    }),
  );
  return [nodes, bars, bandLabels(chart, middle)];
}

function drawLines(chart) {
  const { nodes, y } = axes(chart, { fromZero: false });
  const x = scale(0, Math.max(1, chart.labels.length - 1), BOX.left + 12, chart.width - BOX.right - 12);
  const lines = chart.series.map(({ values }, of) => [
    svg("path", { class: `chart__line ${colour(of)}`, d: pathOf(values, x, y) }),
    chart.labels.map((_, index) =>
      dot(chart, of, index, x(index), y, `chart__dot ${colour(of)}`, chart.labels.length > 40 ? 2 : 3.5),
    ),
  ]);
  return [nodes, lines, bandLabels(chart, x)];
}

// A missing value breaks the line: bridging it would claim something that nobody measured.
function pathOf(values, x, y) {
  let pen = "M";
  return values.reduce((path, value, index) => {
    if (!Number.isFinite(value)) {
      pen = "M";
      return path;
    }
    const step = `${pen}${x(index).toFixed(1)} ${y(value).toFixed(1)}`;
    pen = "L";
    return path + step;
  }, "");
}

function drawPoints(chart) {
  const { nodes, y } = axes(chart, { fromZero: false });
  const positions = positionsOf(chart.labels);
  const ticks = ticksOf(Math.min(...positions), Math.max(...positions), 6);
  const x = scale(ticks[0], ticks.at(-1), BOX.left + 8, chart.width - BOX.right - 8);
  const points = chart.series.flatMap((_, of) =>
    positions.map((position, index) => dot(chart, of, index, x(position), y, `chart__point ${colour(of)}`, 4)),
  );
  const isPlaces = positions.some(
    (position, index) => String(position) !== chart.labels[index] && Number(chart.labels[index]) !== position,
  );
  const names = isPlaces ? bandLabels(chart, x) : ticks.map((tick) => tickLabel(x(tick), formatCompact(tick)));
  return [nodes, points, names];
}

function drawPie(chart) {
  const radius = 120;
  const [{ values }] = chart.series;
  const place = (turn) =>
    [Math.sin(turn * 2 * Math.PI) * radius, -Math.cos(turn * 2 * Math.PI) * radius]
      .map((number) => number.toFixed(2))
      .join(" ");
  const slices = slicesOf(values).map(({ index, from, to }) => {
    const text = `${label(chart, index, 0)} (${Math.round((to - from) * 100)} %)`;
    if (to - from > 0.9999) return mark("circle", { class: `chart__slice ${colour(index)}`, r: radius }, text);
    return mark(
      "path",
      {
        class: `chart__slice ${colour(index)}`,
        d: `M0 0L${place(from)}A${radius} ${radius} 0 ${to - from > 0.5 ? 1 : 0} 1 ${place(to)}Z`,
      },
      text,
    );
  });
  return svg("g", { transform: `translate(${chart.width / 2} ${HEIGHT / 2})` }, slices);
}
