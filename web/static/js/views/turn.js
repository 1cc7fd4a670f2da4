// One turn of the conversation: the question, what the agents did, and the answer.

import { isOver } from "../conversation.js";
import { arrange, h, newId, setAttribute, setText } from "../helpers/dom.js";
import { count, formatDuration, formatNumber } from "../helpers/format.js";
import { icon } from "../helpers/icons.js";
import { stopTicking, tickSince } from "../helpers/timing.js";
import {
  activityOf,
  answerOf,
  chartsOf,
  countWork,
  hasSpoken,
  isFinished,
  keepsTextInSteps,
  waitingCalls,
} from "../summary.js";
import { failureWords } from "../words.js";
import { smallButton } from "./button.js";
import { StepsView } from "./call.js";
import { Fold } from "./fold.js";
import { chartView, isChart } from "./chart.js";
import { copyButton, MarkdownView } from "./markdown.js";
import { resultView } from "./result.js";
import { spinner } from "./tool.js";

export class TurnView {
  #turn;
  #shown = null;
  #on;
  #steps = null;
  #context = null;
  #text = h("p", { class: "question__text" });
  #delivery = h("div", { class: "question__delivery" });
  #state = h("span", { class: "work__state" });
  #label = h("span", { class: "work__label" });
  #time = h("span", { class: "work__time" });
  #stop = h("button", { type: "button", class: "button button--small work__stop" });
  #markdown = new MarkdownView();
  #answer = h("div", { class: "answer" });
  #after = h("div", { class: "answer__after" });
  #fold;

  /**
   * `on` has onStop, onRetry, onResend, onResendElsewhere, onDiscard, onLoad (all given the turn), isReading() and
   * openApproval(runId, tool, onChange), which answers an Approval.
   */
  constructor(turn, on) {
    this.#turn = turn;
    this.#on = on;
    const heading = newId("question");
    const folding = { onOpen: (body) => this.#open(body), onClose: (body) => this.#close(body) };
    this.#fold = new Fold("work", [this.#state, this.#label, this.#time], folding);
    this.#stop.addEventListener("click", () => on.onStop(this.#turn));
    const question = h("div", { class: "question", id: heading }, this.#text, this.#delivery);
    const work = h(
      "div",
      { class: "work" },
      h("div", { class: "work__bar" }, this.#fold.button, this.#stop),
      this.#fold.body,
    );
    this.reply = h("div", { class: "reply" }, work, this.#answer, this.#after);
    this.element = h("article", { class: "turn", "aria-labelledby": heading }, question, this.reply);
  }

  /**
   * `isLast` is true for the newest turn of the conversation: its steps stay open. `isBehind` is true while another
   * turn is to be answered before this one.
   */
  update(turn, { isLast, isBehind }) {
    this.#turn = turn;
    setText(this.#text, turn.question);
    this.element.dataset.phase = turn.phase;
    this.#showDelivery(turn);
    setAttribute(this.reply, "hidden", turn.phase !== "accepted");
    if (turn.phase !== "accepted") return;
    this.element.dataset.state = stateOf(turn);
    this.#showWork(turn, { isLast, isBehind });
    this.#showAnswer(turn);
    this.#showAfter(turn);
  }

  /** Where the answer begins and ends, for scrolling. */
  get answerSpan() {
    return [this.#answer, this.reply];
  }

  destroy() {
    stopTicking(this.#time);
    this.#steps?.destroy();
  }

  #showDelivery(turn) {
    if (turn.phase === "accepted") return this.#delivery.replaceChildren();
    if (turn.phase === "pending") return this.#delivery.replaceChildren(spinner(), "Sending…");
    const resend = isThreadGone(turn)
      ? smallButton("Send in a new chat", () => this.#on.onResendElsewhere(this.#turn), { iconName: "plus" })
      : smallButton("Send again", () => this.#on.onResend(this.#turn), { iconName: "retry" });
    const discard = smallButton("Discard", () => this.#on.onDiscard(this.#turn), { quiet: true });
    const reason = h(
      "span",
      { class: "question__error", role: "alert" },
      icon("warning"),
      `Not sent. ${isThreadGone(turn) ? "This chat has been deleted." : (turn.error?.message ?? "")}`,
    );
    return this.#delivery.replaceChildren(reason, resend, discard);
  }

  #showWork(turn, { isLast, isBehind }) {
    const { story } = turn;
    const over = isOver(turn);
    const isWaiting = !turn.stopping && story.state === "waiting";
    this.element.classList.toggle("turn--waiting", isWaiting);
    this.#state.replaceChildren(stateIcon(turn, { over, isWaiting, isBehind }));
    setText(this.#label, over ? pastLabel(turn) : presentLabel(turn, isBehind));
    this.#showTime(turn, over);
    setAttribute(this.#stop, "hidden", over);
    setAttribute(this.#stop, "disabled", turn.stopping);
    if (!over) this.#stop.replaceChildren(icon("stop"), turn.stopping ? "Stopping…" : "Stop");
    const { isReading, openApproval } = this.#on;
    this.#context = { story, runId: turn.runId, waiting: waitingCalls(story), isReading, openApproval };
    setAttribute(this.#fold.button, "disabled", !hasSteps(story));
    this.#fold.hold(story.state === "waiting");
    this.#fold.suggest(hasSteps(story) && (!over || isLast || keepsTextInSteps(story)));
    if (this.#fold.isOpen) this.#showSteps();
  }

  #showTime(turn, over) {
    const { story, run } = turn;
    const startedAt = story.startedAt || run?.started_at || run?.created_at || turn.createdAt;
    if (!over) return tickSince(this.#time, startedAt);
    stopTicking(this.#time);
    const endedAt = turn.isLost ? 0 : story.endedAt || run?.ended_at;
    return setText(this.#time, endedAt && startedAt ? formatDuration(endedAt - startedAt) : "");
  }

  #open(body) {
    this.#steps = new StepsView();
    body.append(this.#steps.element);
    this.#showSteps();
  }

  #close(body) {
    this.#steps.destroy();
    this.#steps = null;
    body.replaceChildren();
  }

  #showSteps() {
    const { story } = this.#context;
    const root = story.calls[story.rootId];
    if (root) this.#steps.update(root, this.#context, answerOf(story).key);
  }

  #showAnswer({ story }) {
    const { text, result } = answerOf(story);
    this.#markdown.update(text ?? "", { streaming: !isFinished(story) && text !== null });
    if (result === null) return arrange(this.#answer, text ? [this.#markdown.element] : []);
    if (this.#shown?.result !== result) this.#answer.replaceChildren(resultView(result));
    this.#shown = { ...this.#shown, result };
    return undefined;
  }

  // What follows the answer is made once, when the run has ended, or when its loading has failed.
  #showAfter(turn) {
    const key = `${isFinished(turn.story)} ${turn.loaded} ${turn.story.state} ${turn.run?.state} ${turn.isLost}`;
    if (this.#shown?.after === key) return;
    this.#shown = { ...this.#shown, after: key };
    this.#after.replaceChildren(...afterOf(turn, this.#on).filter(Boolean));
  }
}

const WORK_ICONS = { completed: "check", failed: "warning", cancelled: "stop" };

function stateIcon(turn, { over, isWaiting, isBehind }) {
  if (over) return icon(WORK_ICONS[stateOf(turn)] ?? "check");
  if (isWaiting) return icon("pause");
  return isBehind ? icon("clock") : spinner();
}

function isThreadGone({ error }) {
  return error?.code === "not_found";
}

function stateOf(turn) {
  return isFinished(turn.story) ? turn.story.state : (turn.run?.state ?? turn.story.state);
}

function hasSteps(story) {
  const root = story.calls[story.rootId];
  if (!root) return false;
  const { key } = answerOf(story);
  return root.parts.some((part) => part.key !== key);
}

function presentLabel({ story, run, stopping }, isBehind) {
  if (stopping) return "Stopping…";
  if (isUnbegun(story, run)) return isBehind ? "Waits for the answer before it" : "Waiting for a worker";
  if (story.seq === 0) return "Reading the steps";
  if (story.state === "waiting") return "Waiting for your yes";
  const { agentName, tool, last } = activityOf(story);
  if (tool) return `${agentName} runs ${tool.name}`;
  if (last?.kind === "message") return `${agentName} is writing`;
  return `${agentName} is thinking`;
}

// Until a worker has taken a run, its attempt is 0, though it may tell already that it waits.
function isUnbegun(story, run) {
  return story.seq === 0 ? !run || run.state === "queued" : story.attempt === 0;
}

function pastLabel(turn) {
  const { agents, tools, failed, unclear } = countWork(turn.story);
  const facts = [
    agents > 0 && count(agents, "agent"),
    tools > 0 && count(tools, "tool call"),
    failed > 0 && `${failed} failed`,
    unclear > 0 && `${unclear} unclear`,
  ];
  const outcome = turn.isLost ? "Lost" : ({ failed: "Failed", cancelled: "Stopped" }[stateOf(turn)] ?? "Done");
  if (!isFinished(turn.story)) return turn.loaded === "failed" ? "The steps could not be read" : outcome;
  return [outcome, ...facts.filter(Boolean)].join(" · ");
}

function afterOf(turn, on) {
  const { story } = turn;
  if (turn.isLost) return [lostCallout(turn, on)];
  if (turn.loaded === "failed") return [loadFailure(turn, on)];
  if (!isFinished(story)) return isOver(turn) && turn.loaded === "yes" ? [forgotten()] : [];
  const root = story.calls[story.rootId];
  if (story.state === "failed") return [failureCallout(root?.error, turn, on)];
  if (story.state === "cancelled") return [stoppedCallout(turn, on)];
  const charts = chartsOf(story).filter(isChart);
  const figures = charts.length > 0 && h("div", { class: "figures" }, charts.map(chartView));
  return [
    figures,
    h(
      "div",
      { class: "answer__tools" },
      copyButton(() => copyText(story)),
      usageOf(root),
    ),
  ];
}

function forgotten() {
  return h("p", { class: "callout" }, "The steps of this run are no longer kept.");
}

function copyText(story) {
  const { text, result } = answerOf(story);
  return text ?? JSON.stringify(result, null, 2);
}

// Figures are for what is paid for: the offline model counts no tokens, and its requests would say nothing.
function usageOf(root) {
  const { input_tokens: input = 0, output_tokens: output = 0, model_requests: requests = 0 } = root?.usage ?? {};
  const figures =
    input + output > 0
      ? [`${formatNumber(input)} tokens in, ${formatNumber(output)} out`, count(requests, "model request")]
      : [];
  const facts = [root?.model, ...figures].filter(Boolean);
  return facts.length > 0 && h("span", { class: "answer__usage" }, facts.join(" · "));
}

function failureCallout(error, turn, on) {
  const { title, text } = failureWords(error);
  const words = [h("p", { class: "callout__title" }, title), text && h("p", {}, text)];
  return callout("warning", [words, retryButton(turn, on)], { isBad: true });
}

function stoppedCallout(turn, on) {
  const by = turn.story?.calls[turn.story.rootId]?.cancelledBy;
  const stopped = by === "operator" ? "An operator stopped this" : "Stopped";
  const text = hasSpoken(turn.story)
    ? `${stopped} before the answer was finished. What was written so far is kept.`
    : `${stopped}.`;
  return callout("stop", [h("p", {}, text), retryButton(turn, on)]);
}

function lostCallout(turn, on) {
  const rest = hasSpoken(turn.story) && h("p", {}, "What was written so far is kept until this page is reloaded.");
  const words = [h("p", { class: "callout__title" }, "The server has lost this run. Ask again."), rest];
  return callout("warning", [words, retryButton(turn, on)], { isBad: true });
}

function loadFailure(turn, on) {
  const again = smallButton("Read again", () => on.onLoad(turn), { iconName: "retry" });
  return callout("warning", [h("p", {}, turn.error?.message ?? "The steps could not be read."), again], {
    isBad: true,
  });
}

function retryButton(turn, on) {
  return smallButton("Ask again", () => on.onRetry(turn), { iconName: "retry" });
}

function callout(iconName, content, { isBad = false } = {}) {
  return h("div", { class: isBad ? "callout callout--bad" : "callout" }, icon(iconName), h("div", {}, content));
}
