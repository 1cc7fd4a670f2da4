// What a tool or an agent returned: a table, a chart, text, or any other JSON.

import { h } from "../helpers/dom.js";
import { count, formatNumber, shorten } from "../helpers/format.js";
import { smallButton } from "./button.js";
import { chartView, isChart } from "./chart.js";
import { isTable, tableView } from "./table.js";

const FIRST_CHARACTERS = 2_000;
const DIGEST_LENGTH = 48;

export function resultView(value) {
  if (isTable(value)) return tableView(value);
  if (isChart(value)) return chartView(value);
  return textView(typeof value === "string" ? value : JSON.stringify(value, null, 2));
}

/** Text of any length: the first part, and a button for the rest. */
export function textView(text) {
  const pre = h("pre", { class: "text", tabindex: "0" }, text.slice(0, FIRST_CHARACTERS));
  if (text.length <= FIRST_CHARACTERS) return pre;
  const showAll = () => {
    pre.textContent = text;
    more.remove();
  };
  const more = smallButton(`Show all ${formatNumber(text.length)} characters`, showAll, { quiet: true });
  return h("div", {}, pre, more);
}

/** A result in three words, for the line of a folded tool call. */
export function digest(value, truncated = false) {
  if (truncated) return "large result";
  if (value === null || value === undefined) return "";
  if (isTable(value)) return count(Math.max(value.rows.length, Number(value.total_rows) || 0), "row");
  if (isChart(value)) return `${value.chart} chart`;
  if (Array.isArray(value)) return count(value.length, "item");
  if (typeof value === "object") return digestOfFields(Object.entries(value));
  return typeof value === "number" ? formatNumber(value) : shorten(String(value), DIGEST_LENGTH);
}

// A tool that answers with one value often puts it beside an echo of its arguments.
function digestOfFields(fields) {
  const answer = fields.find(([name, value]) => (name === "result" || name === "value") && !isNested(value));
  if (answer) return digest(answer[1]);
  if (fields.length > 3 || fields.some(([, value]) => isNested(value))) return count(fields.length, "field");
  return shorten(fields.map(([name, value]) => `${name}: ${value}`).join(", "), DIGEST_LENGTH);
}

function isNested(value) {
  return typeof value === "object" && value !== null;
}
