// A tool result of the shape `{kind: "table", columns, rows, total_rows}`.

import { h } from "../helpers/dom.js";
import { count, formatNumber } from "../helpers/format.js";
import { smallButton } from "./button.js";
import { copyButton } from "./markdown.js";

const FIRST_ROWS = 20;
const MORE_ROWS = 200;

/** True for a value that can be shown as a table, whatever an agent's author has put into it. */
export function isTable(value) {
  return (
    value?.kind === "table" &&
    Array.isArray(value.columns) &&
    Array.isArray(value.rows) &&
    value.rows.every(Array.isArray)
  );
}

export function tableView(value) {
  const { columns, rows } = value;
  const numeric = columns.map((_, index) => isNumeric(rows, index));
  const headings = columns.map((name, index) =>
    h("th", { scope: "col", class: numeric[index] && "table__number" }, String(name)),
  );
  const body = h("tbody");
  const foot = h("div", { class: "table__foot" });
  const table = h("table", { class: "table__grid" }, h("thead", {}, h("tr", {}, headings)), body);
  const label = `Table with ${count(rows.length, "row")}`;
  const frame = h("div", { class: "table__frame", tabindex: "0", role: "region", "aria-label": label }, table);
  const show = (limit) => {
    body.append(...rows.slice(body.rows.length, limit).map((row) => rowOf(row, numeric)));
    foot.replaceChildren(...footOf(value, body.rows.length, () => show(body.rows.length + MORE_ROWS)));
  };
  show(rows.length <= FIRST_ROWS + 5 ? rows.length : FIRST_ROWS);
  return h("div", { class: "table" }, frame, foot);
}

function isNumeric(rows, index) {
  return rows.length > 0 && rows.every((row) => row[index] === null || typeof row[index] === "number");
}

function rowOf(row, numeric) {
  return h(
    "tr",
    {},
    numeric.map((isNumber, index) => cellOf(row[index], isNumber)),
  );
}

function cellOf(value, isNumber) {
  if (value === null || value === undefined) return h("td", { class: "table__empty" }, "–");
  if (isNumber) return h("td", { class: "table__number" }, formatNumber(value));
  return h("td", {}, typeof value === "object" ? JSON.stringify(value) : String(value));
}

function footOf(value, shown, showMore) {
  const total = Math.max(value.rows.length, Number(value.total_rows) || 0);
  const left = value.rows.length - shown;
  const text = shown < total ? `${formatNumber(shown)} of ${count(total, "row")}` : count(total, "row");
  const more = smallButton(`Show ${Math.min(left, MORE_ROWS)} more`, showMore, { quiet: true });
  return [h("span", {}, text), left > 0 ? more : "", copyButton(() => toCsv(value), "Copy as CSV")];
}

function toCsv({ columns, rows }) {
  return [columns, ...rows].map((row) => row.map(csvCell).join(",")).join("\n");
}

function csvCell(value) {
  const text = typeof value === "object" && value !== null ? JSON.stringify(value) : String(value ?? "");
  return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
