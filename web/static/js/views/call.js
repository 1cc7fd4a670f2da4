// The steps of one agent call, and a nested agent call as a card that holds its own steps.

import { h, setAttribute, setText, ViewList } from "../helpers/dom.js";
import { count, formatDuration, plainLine, shorten } from "../helpers/format.js";
import { icon } from "../helpers/icons.js";
import { stopTicking, tickSince } from "../helpers/timing.js";
import { awaitsDecision } from "../story.js";
import { countTools, unsaidResult } from "../summary.js";
import { CALL_STATES, failureWords } from "../words.js";
import { Fold } from "./fold.js";
import { MarkdownView } from "./markdown.js";
import { MessageView, NoticeView, ThoughtView, UnknownView } from "./parts.js";
import { resultView } from "./result.js";
import { spinner, ToolView } from "./tool.js";

const SHOWN_STEPS = 60;
const MORE_STEPS = 200;
const HUES = 8;
const ICONS = { completed: "check", failed: "cross", cancelled: "stop", interrupted: "warning" };

/** The steps of a call, oldest first; of a long one only the last, with a button for the earlier ones. */
export class StepsView {
  #list = h("div", { class: "steps__list" });
  #views = new ViewList(this.#list);
  #earlier = h("button", { type: "button", class: "button button--quiet steps__earlier", hidden: true });
  #limit = SHOWN_STEPS;
  #last = null;
  element = h("div", { class: "steps" }, this.#earlier, this.#list);

  constructor() {
    this.#earlier.addEventListener("click", () => {
      this.#limit += MORE_STEPS;
      this.update(...this.#last);
    });
  }

  /**
   * `context` is {story, runId, waiting, isReading(), openApproval(…)}, with the ids of agent calls in which a person's
   * yes is waited for; `hiddenKey` is the part that is shown elsewhere.
   */
  update(call, context, hiddenKey = null) {
    this.#last = [call, context, hiddenKey];
    const parts = call.parts.filter((part) => part.key !== hiddenKey);
    const cut = this.#cut(parts, context.waiting);
    setAttribute(this.#earlier, "hidden", cut === 0);
    setText(this.#earlier, `Show ${count(Math.min(cut, MORE_STEPS), "earlier step")} of ${cut}`);
    const current = call.state === "running" ? call.parts.at(-1)?.key : null;
    this.#views.show(parts.slice(cut), (part) => createView(part, context), current, context);
  }

  destroy() {
    this.#views.clear();
  }

  // What waits for a person is never among the steps that are left out.
  #cut(parts, waiting) {
    const first = parts.findIndex((part) => awaitsDecision(part) || waiting.has(part.callId));
    return Math.max(0, Math.min(parts.length - this.#limit, first < 0 ? Infinity : first));
  }
}

function createView(part, context) {
  const make = Object.hasOwn(VIEWS, part.kind) ? VIEWS[part.kind] : VIEWS.unknown;
  return make(context);
}

const VIEWS = {
  thought: () => withCurrent(new ThoughtView()),
  message: () => withCurrent(new MessageView()),
  notice: () => new NoticeView(),
  unknown: () => new UnknownView(),
  tool: (context) => new ToolView(context),
  agent: () => new CallView(),
};

function withCurrent(view) {
  return { element: view.element, update: (part, current) => view.update(part, { isCurrent: part.key === current }) };
}

class CallView {
  #call = null;
  #context = null;
  #steps = null;
  #avatar = h("span", { class: "avatar", "aria-hidden": "true" });
  #name = h("span", { class: "call__name" });
  #task = h("span", { class: "call__task" });
  #facts = h("span", { class: "call__facts" });
  #time = h("span", { class: "call__time" });
  #state = h("span", { class: "call__state" });
  #status = h("span", { class: "visually-hidden" });
  #fold;

  constructor() {
    const head = [this.#avatar, this.#name, this.#task, this.#facts, this.#time, this.#state, this.#status];
    this.#fold = new Fold("call", head, { onOpen: (body) => this.#open(body), onClose: (body) => this.#close(body) });
    this.element = h("section", { class: "call" }, this.#fold.button, this.#fold.body);
  }

  update(part, current, context) {
    const call = context.story.calls[part.callId];
    const justEnded = this.#call?.state === "running" && call.state !== "running";
    if (justEnded && context.isReading()) this.#fold.keep();
    this.#context = context;
    if (call !== this.#call) this.#showHead(call);
    this.#call = call;
    this.#fold.hold(context.waiting.has(call.id));
    this.#fold.suggest(call.state === "running");
    if (this.#fold.isOpen) this.#showBody();
  }

  destroy() {
    stopTicking(this.#time);
    this.#steps?.destroy();
  }

  #showHead(call) {
    this.element.dataset.state = call.state;
    this.element.setAttribute("aria-label", `Agent ${call.agentName}: ${shorten(plainLine(call.input), 80)}`);
    this.#avatar.className = `avatar avatar--${hueOf(call.agentName)}`;
    setText(this.#avatar, call.agentName.slice(0, 1).toUpperCase());
    setText(this.#name, call.agentName);
    setText(this.#task, shorten(plainLine(call.input), 160));
    setText(this.#facts, factsOf(call));
    setText(this.#status, CALL_STATES[call.state] ?? call.state);
    this.#state.replaceChildren(call.state === "running" ? spinner() : icon(ICONS[call.state]));
    if (call.state === "running") return tickSince(this.#time, call.startedAt);
    stopTicking(this.#time);
    return setText(this.#time, formatDuration(call.durationMs));
  }

  #open(body) {
    this.#steps = new StepsView();
    body.append(h("p", { class: "call__input" }, plainLine(this.#call.input)), this.#steps.element);
    this.#showBody();
  }

  #close(body) {
    this.#steps.destroy();
    this.#steps = null;
    body.replaceChildren();
  }

  #showBody() {
    this.#steps.update(this.#call, this.#context);
    if (this.#call.state === "running" || this.#fold.body.querySelector(":scope > .call__end")) return;
    const end = endOf(this.#call);
    if (end) this.#fold.body.append(h("div", { class: "call__end" }, end));
  }
}

function factsOf(call) {
  const { tools, failed, unclear } = countTools(call);
  if (tools === 0) return "";
  return [count(tools, "tool"), failed > 0 && `${failed} failed`, unclear > 0 && `${unclear} unclear`]
    .filter(Boolean)
    .join(", ");
}

function endOf(call) {
  if (call.state === "failed") return failureLine(call.error);
  const result = unsaidResult(call);
  if (result === null) return null;
  if (typeof result !== "string") return resultView(result);
  const markdown = new MarkdownView();
  markdown.update(result);
  return markdown.element;
}

/** A failure in one line: what kind it is, then what happened. */
export function failureLine(error) {
  const { title, text } = failureWords(error);
  return h("p", { class: "failure" }, icon("warning"), h("span", {}, h("strong", {}, `${title}. `), text));
}

/** A colour for an agent, the same on every page; the factor keeps the eight built-in agents apart. */
export function hueOf(name) {
  let sum = 0;
  for (const character of name) sum = (sum * 179 + character.codePointAt(0)) % 997;
  return sum % HUES;
}
