// One tool call: a line that says how it stands, and behind it the arguments and the result.

import { resultUrl } from "../api.js";
import { arrange, h, setAttribute, setText } from "../helpers/dom.js";
import { formatBytes, formatDuration, shorten } from "../helpers/format.js";
import { icon } from "../helpers/icons.js";
import { stopTicking, tickSince } from "../helpers/timing.js";
import { DECISIONS, failureWords, TOOL_STATES } from "../words.js";
import { digest, resultView, textView } from "./result.js";
import { Fold } from "./fold.js";

const ICONS = { ok: "check", error: "cross", denied: "denied", cancelled: "stop", interrupted: "warning" };

export class ToolView {
  #tool = null;
  #runId;
  #state = h("span", { class: "tool__state" });
  #name = h("span", { class: "tool__name" });
  #hint = h("span", { class: "tool__hint" });
  #digest = h("span", { class: "tool__digest" });
  #time = h("span", { class: "tool__time" });
  #status = h("span", { class: "visually-hidden" });
  #note = h("div", { class: "tool__note" });
  #fold;

  constructor(runId) {
    this.#runId = runId;
    const head = [this.#state, this.#name, this.#hint, this.#digest, this.#time, this.#status];
    this.#fold = new Fold("tool", head, { onOpen: () => this.#fill(), onClose: (body) => body.replaceChildren() });
    this.element = h("div", { class: "tool" }, this.#fold.button, this.#note, this.#fold.body);
  }

  update(tool) {
    if (tool === this.#tool) return;
    this.#tool = tool;
    this.element.dataset.status = tool.status;
    this.#state.replaceChildren(stateIcon(tool));
    setText(this.#name, tool.name);
    setText(this.#hint, hintOf(tool));
    setText(this.#digest, tool.status === "ok" ? digest(tool.result, tool.truncated) : "");
    setText(this.#status, TOOL_STATES[tool.status] ?? tool.status);
    this.#showTime(tool);
    arrange(this.#note, notesOf(tool));
    setAttribute(this.#note, "hidden", this.#note.childElementCount === 0);
    if (this.#fold.isOpen) this.#fill();
  }

  destroy() {
    stopTicking(this.#time);
  }

  #showTime(tool) {
    if (tool.status === "running") return tickSince(this.#time, tool.startedAt);
    stopTicking(this.#time);
    return setText(this.#time, formatDuration(tool.durationMs));
  }

  #fill() {
    const tool = this.#tool;
    const sections = [
      tool.purpose && h("p", { class: "tool__purpose" }, tool.purpose),
      section("Arguments", argumentsView(tool.arguments)),
      tool.status === "ok" &&
        section("Result", tool.truncated ? textView(String(tool.result)) : resultView(tool.result)),
      tool.truncated && wholeResult(this.#runId, tool),
      tool.error &&
        section(
          "Error",
          h("p", { class: "tool__error" }, tool.error.message),
          h("p", { class: "tool__code" }, tool.error.code),
        ),
    ];
    this.#fold.body.replaceChildren(...sections.filter(Boolean));
  }
}

export function spinner() {
  return h("span", { class: "spinner", "aria-hidden": "true" });
}

function stateIcon({ status, approval }) {
  if (status !== "running") return icon(ICONS[status] ?? "tool");
  return approval?.decision === null ? icon("pause") : spinner();
}

// The purpose says why; else the first argument says most about the call.
function hintOf(tool) {
  if (tool.purpose) return shorten(tool.purpose, 120);
  const [first] = Object.values(tool.arguments);
  if (first === undefined) return "";
  return shorten(typeof first === "string" ? first : JSON.stringify(first), 120);
}

function notesOf({ status, progress, error, approval }) {
  const notes = [];
  if (approval) notes.push(h("p", { class: "tool__approval" }, icon("pause"), approvalText(approval)));
  if (status === "running" && progress) notes.push(progressView(progress));
  if (error && status !== "cancelled") notes.push(failureNote(error));
  return notes;
}

// That a tool failed is on the line above already; only what is more telling gets a heading.
function failureNote(error) {
  const { title, text } = failureWords(error);
  const heading = error.code === "tool_error" ? null : h("strong", {}, `${title}. `);
  return h("p", { class: "tool__failure" }, heading, shorten(text, 240));
}

function approvalText({ decision, expiresAt }) {
  if (decision !== null) return DECISIONS[decision] ?? decision;
  return `Waits for a person's yes until ${new Date(expiresAt).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" })}.`;
}

function progressView({ fraction, text }) {
  const bar = h("progress", { class: "progress", max: "1", "aria-label": text || "Progress" });
  if (fraction !== null) bar.value = fraction;
  return h("div", { class: "tool__progress" }, bar, h("span", {}, text));
}

function argumentsView(args) {
  const entries = Object.entries(args);
  if (entries.length === 0) return h("p", { class: "tool__none" }, "none");
  return h(
    "dl",
    { class: "tool__arguments" },
    entries.map(([name, value]) => [h("dt", {}, name), h("dd", {}, argumentView(value))]),
  );
}

function argumentView(value) {
  if (typeof value === "string" && !value.includes("\n") && value.length < 80) return h("code", {}, value);
  return textView(typeof value === "string" ? value : JSON.stringify(value, null, 2));
}

function section(title, ...content) {
  return h("div", { class: "tool__section" }, h("p", { class: "tool__heading" }, title), content);
}

function wholeResult(runId, tool) {
  const address = resultUrl(runId, tool.callId);
  const words = `Open the whole result (${formatBytes(tool.resultBytes)})`;
  const link = h("a", { href: address, target: "_blank", rel: "noopener" }, words);
  return h("p", { class: "tool__whole" }, "This is the first part only. ", link);
}
