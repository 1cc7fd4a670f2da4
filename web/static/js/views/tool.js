// One tool call: a line that says how it stands, and behind it the arguments and the result.

import { resultUrl } from "../api.js";
import { arrange, h, setAttribute, setText } from "../helpers/dom.js";
import { formatBytes, formatDuration, shorten } from "../helpers/format.js";
import { icon } from "../helpers/icons.js";
import { stopTicking, tickSince } from "../helpers/timing.js";
import { awaitsDecision } from "../story.js";
import { decisionWords, failureWords, TOOL_STATES } from "../words.js";
import { ApprovalView } from "./approval.js";
import { argumentsView } from "./arguments.js";
import { Fold } from "./fold.js";
import { digest, resultView, textView } from "./result.js";

const ICONS = { ok: "check", error: "cross", denied: "denied", cancelled: "stop", interrupted: "warning" };

export class ToolView {
  #tool = null;
  #context;
  #approval = null;
  #allowed = null;
  #state = h("span", { class: "tool__state" });
  #name = h("span", { class: "tool__name" });
  #hint = h("span", { class: "tool__hint" });
  #digest = h("span", { class: "tool__digest" });
  #time = h("span", { class: "tool__time" });
  #status = h("span", { class: "visually-hidden" });
  #note = h("div", { class: "tool__note" });
  #fold;

  /** `context` is {runId, openApproval(runId, tool, onChange)}. */
  constructor(context) {
    this.#context = context;
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
    setText(this.#hint, awaitsDecision(tool) ? "" : hintOf(tool));
    setText(this.#digest, tool.status === "ok" ? digest(tool.result, tool.truncated) : "");
    setText(this.#status, TOOL_STATES[tool.status] ?? tool.status);
    this.#showTime(tool);
    arrange(this.#note, notesOf(tool));
    setAttribute(this.#note, "hidden", this.#note.childElementCount === 0);
    this.#showApproval(tool);
    if (this.#fold.isOpen) this.#fill();
  }

  destroy() {
    stopTicking(this.#time);
    this.#approval?.destroy();
  }

  #showApproval(tool) {
    if (!awaitsDecision(tool)) return this.#closeApproval();
    if (this.#approval !== null) return undefined;
    const { runId, openApproval } = this.#context;
    this.#approval = new ApprovalView(tool, (onChange) => openApproval(runId, tool, onChange));
    return this.#note.before(this.#approval.element);
  }

  // Who has just pressed a button in the card goes on from the line that it belonged to.
  #closeApproval() {
    if (this.#approval === null) return;
    if (this.#approval.element.contains(document.activeElement)) this.#fold.button.focus({ preventScroll: true });
    this.#approval.destroy();
    this.#approval.element.remove();
    this.#approval = null;
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
      ...this.#argumentSections(tool),
      tool.status === "ok" &&
        section("Result", tool.truncated ? textView(String(tool.result)) : resultView(tool.result)),
      tool.truncated && wholeResult(this.#context.runId, tool),
      tool.error &&
        section(
          "Error",
          h("p", { class: "tool__error" }, tool.error.message),
          h("p", { class: "tool__code" }, tool.error.code),
        ),
    ];
    this.#fold.body.replaceChildren(...sections.filter(Boolean));
  }

  // The story holds what the agent asked for; what was allowed instead is with the approval, read when it is wanted.
  #argumentSections(tool) {
    if (!tool.approval?.edited) return [section("Arguments", argumentsView(tool.arguments))];
    const asked = section("Arguments that the agent asked for", argumentsView(tool.arguments));
    if (this.#allowed === null) this.#readAllowed(tool);
    if (!this.#allowed.isExact) return [asked];
    return [asked, section("Arguments that you allowed", argumentsView(this.#allowed.arguments))];
  }

  #readAllowed(tool) {
    const { runId, openApproval } = this.#context;
    this.#allowed = openApproval(runId, tool, () => this.#allowed.isExact && this.#fold.isOpen && this.#fill());
    this.#allowed.read();
  }
}

export function spinner() {
  return h("span", { class: "spinner", "aria-hidden": "true" });
}

function stateIcon(tool) {
  if (tool.status !== "running") return icon(ICONS[tool.status] ?? "tool");
  return awaitsDecision(tool) ? icon("pause") : spinner();
}

// The purpose says why; else the first argument says most about the call.
function hintOf(tool) {
  if (tool.purpose) return shorten(tool.purpose, 120);
  const [first] = Object.values(tool.arguments);
  if (first === undefined) return "";
  return shorten(typeof first === "string" ? first : JSON.stringify(first), 120);
}

function notesOf(tool) {
  const { status, progress, error, approval } = tool;
  const notes = [];
  if (approval && !awaitsDecision(tool)) notes.push(decisionNote(tool));
  if (status === "running" && progress) notes.push(progressView(progress));
  if (saysMore(tool)) notes.push(failureNote(error ?? { code: "interrupted" }));
  return notes;
}

function decisionNote(tool) {
  const name = { approved: "check", expired: "clock" }[tool.approval.decision] ?? "denied";
  return h("p", { class: "tool__approval" }, icon(name), decisionWords(tool));
}

// That a call was stopped or denied is said already, and by whom.
function saysMore({ status, error, approval }) {
  if (status === "interrupted") return true;
  return error !== null && status !== "cancelled" && !(status === "denied" && approval?.decision);
}

// That a tool failed is on the line above already; only what is more telling gets a heading.
function failureNote(error) {
  const { title, text } = failureWords(error);
  const heading = error.code === "tool_error" ? null : h("strong", {}, `${title}. `);
  return h("p", { class: "tool__failure" }, heading, shorten(text, 240));
}

function progressView({ fraction, text }) {
  const bar = h("progress", { class: "progress", max: "1", "aria-label": text || "Progress" });
  if (fraction !== null) bar.value = fraction;
  return h("div", { class: "tool__progress" }, bar, h("span", {}, text));
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
