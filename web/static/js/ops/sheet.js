// One run in a panel of its own: its record, its attempts as a picture, its events by kind and time. No contents.

import { h, svg } from "../helpers/dom.js";
import { count, formatDuration, formatRunningTime } from "../helpers/format.js";
import { iconButton, smallButton } from "../views/button.js";
import { Poller } from "./poller.js";
import { copyId } from "./tables.js";
import { attemptWords, eventWords, holdWords, hostOf, runState, shortId } from "./words.js";

const EVERY = 2_000;
const WIDTH = 600;
const LANE = 26;
const clockFormat = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const whenFormat = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium", hourCycle: "h23" });
const ENDED = new Set(["completed", "failed", "cancelled"]);

export class Sheet {
  #dialog;
  #ops;
  #acting;
  #onClose;
  #poller = null;
  #runId = null;
  #title = h("h2", { id: "sheet-title", class: "sheet__title" });
  #state = h("span", { class: "state" });
  #facts = h("dl", { class: "facts" });
  #buttons = h("div", { class: "sheet__buttons" });
  #picture = h("div", { class: "sheet__picture" });
  #steps = h("tbody");
  #note = h("p", { class: "sheet__note" });
  #shown = "";

  constructor(dialog, { ops, acting, onClose }) {
    this.#dialog = dialog;
    this.#ops = ops;
    this.#acting = acting;
    this.#onClose = onClose;
    const titles = ["Number", "After", "Event", "Attempt", "Agent"].map((name) => h("th", { scope: "col" }, name));
    const caption = h("caption", { class: "visually-hidden" }, "Events, oldest first");
    const table = h("table", { class: "steps" }, caption, h("thead", {}, h("tr", {}, titles)), this.#steps);
    const close = iconButton("icon-button sheet__close", "close", "Close", () => dialog.close());
    dialog.append(
      h("div", { class: "sheet__head" }, this.#title, this.#state, close),
      h("div", { class: "sheet__body" }, this.#facts, this.#buttons, this.#picture, this.#note, table),
    );
    dialog.addEventListener("close", () => this.#closed());
    // A click beside it.
    dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  }

  get runId() {
    return this.#runId;
  }

  open(runId) {
    if (this.#runId === runId) return;
    this.#poller?.stop();
    this.#runId = runId;
    this.#shown = "";
    this.#title.replaceChildren("Run ", h("code", { title: runId }, shortId(runId)), copyId(runId));
    this.#note.replaceChildren("Loading…");
    for (const part of [this.#facts, this.#buttons, this.#picture, this.#steps]) part.replaceChildren();
    this.#poller = new Poller({
      load: () => this.#ops.run(runId),
      every: EVERY,
      isVisible: () => document.visibilityState === "visible",
      onData: (detail) => this.#show(detail),
      onFailure: (error) => this.#note.replaceChildren(error.message),
    });
    this.#poller.start();
    if (!this.#dialog.open) this.#dialog.showModal();
  }

  close() {
    this.#dialog.close();
  }

  look() {
    return this.#poller?.look();
  }

  #closed() {
    this.#poller?.stop();
    this.#runId = null;
    this.#onClose();
  }

  #show(detail) {
    const { text, tone } = runState(detail.run);
    this.#state.className = `state${tone && ` state--${tone}`}`;
    this.#state.textContent = text;
    this.#facts.replaceChildren(...factsOf(detail));
    this.#showButtons(detail.run);
    this.#picture.replaceChildren(...pictureOf(detail));
    this.#note.textContent = noteOf(detail);
    this.#showSteps(detail);
    if (ENDED.has(detail.run.state)) this.#poller.stop();
  }

  // Only when they change, so that a press is not lost between two looks.
  #showButtons(run) {
    const wanted = [run.state, run.attempt, run.stopping_by].join();
    if (wanted === this.#shown) return;
    this.#shown = wanted;
    const act = (name, text) => smallButton(text, async () => (await this.#acting[name](run), this.look()));
    const buttons = [];
    if (run.state === "running") buttons.push(act("requeue", "Requeue"));
    if (!ENDED.has(run.state) && !run.stopping_by) buttons.push(act("cancel", "Stop"));
    if (run.state === "failed") buttons.push(act("again", "Run again"));
    this.#buttons.replaceChildren(...buttons);
  }

  #showSteps({ steps, run }) {
    const rows = steps.map((step) => stepRow(step, run.created_at));
    // Those that are there stay, but for the last one, whose count may have grown.
    const same = Math.max(0, this.#steps.rows.length - 1);
    const isSame = same > 0 && this.#steps.rows[0].dataset.seq === rows[0]?.dataset.seq;
    if (!isSame) return this.#steps.replaceChildren(...rows);
    this.#steps.lastElementChild?.remove();
    return this.#steps.append(...rows.slice(same));
  }
}

function factsOf({ run, worker, at, ended_at: endedAt, ...detail }) {
  const facts = [
    ["Agent", run.agent],
    ["Queue", run.queue || "default"],
    ["User", run.user_id],
    ["Thread", run.thread_id],
    ["Accepted", whenFormat.format(run.created_at)],
    ["Attempt", run.attempt === 0 ? "none yet" : attemptWords(run)],
    endedAt ? ["Took", formatDuration(endedAt - run.created_at)] : ["Age", formatRunningTime(at - run.created_at)],
    ["Last event", eventWords(run)],
    ["Message", count(detail.message_chars, "character")],
  ];
  if (run.worker) facts.splice(4, 0, ["Held by", worker ? `${hostOf(worker)} (${run.worker})` : run.worker]);
  if (holdWords(run)) facts.splice(5, 0, ["Lease", holdWords(run)]);
  if (run.stopping_by) facts.push(["Stop asked by", run.stopping_by]);
  if (detail.resume_reason) facts.push(["Last went on because", detail.resume_reason]);
  if (endedAt) facts.push(["Outcome seen", detail.outcome_seen_at ? "yes" : "not yet"]);
  return facts.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, String(value))));
}

function noteOf({ steps, is_cut: isCut }) {
  if (steps.length === 0) return "It has no events yet.";
  return isCut ? "Only the newest events are shown." : "";
}

/** Attempts as bars on one line of time, tools as darker parts of them: silence is what is empty. */
function pictureOf({ attempts, steps, run, at, ended_at: endedAt }) {
  const shown = attempts.filter(({ number, first_at: first }) => number > 0 && first > 0);
  if (shown.length === 0) return [];
  const begin = Math.min(run.created_at, shown[0].first_at);
  const end = Math.max(endedAt || at, begin + 1);
  const x = (time) => ((time - begin) / (end - begin)) * WIDTH;
  const lanes = shown.map((attempt, lane) => {
    const isLive = run.state === "running" && attempt.number === run.attempt;
    const y = lane * LANE + 4;
    const last = isLive && run.hold === "held" ? at : attempt.last_at;
    const bar = { x: x(attempt.first_at), y, width: Math.max(3, x(last) - x(attempt.first_at)), height: 16, rx: 4 };
    return svg("g", {}, svg("rect", { class: "life__attempt", ...bar }, svg("title", {}, spanWords(attempt))), toolBars(steps, attempt, y, x));
  });
  const label = shown.map(spanWords).join(". ");
  const drawing = svg(
    "svg",
    { class: "life", viewBox: `0 0 ${WIDTH} ${shown.length * LANE}`, preserveAspectRatio: "none", role: "img", "aria-label": label, height: shown.length * LANE },
    lanes,
  );
  return [drawing, h("p", { class: "life__ends" }, h("span", {}, clockFormat.format(begin)), h("span", {}, clockFormat.format(end)))];
}

function spanWords({ number, first_at: first, last_at: last, events }) {
  return `Attempt ${number}: ${count(events, "event")} in ${formatDuration(last - first)}`;
}

function toolBars(steps, attempt, y, x) {
  return steps
    .filter(({ type, attempt: of }) => type === "tool_completed" && of === attempt.number)
    .map(({ at, duration_ms: took, tool, status }) => {
      const from = Math.max(attempt.first_at, at - (took ?? 0));
      const box = { x: x(from), y: y + 3, width: Math.max(2, x(at) - x(from)), height: 10, rx: 2 };
      const title = svg("title", {}, `${tool}: ${status}, ${formatDuration(took ?? 0)}`);
      return svg("rect", { class: status === "ok" ? "life__tool" : "life__tool life__tool--bad", ...box }, title);
    });
}

function stepRow(step, began) {
  const { type, tool, status, duration_ms: took, error_code: code } = step;
  const facts = [tool, status, took !== null && formatDuration(took), code].filter(Boolean).join(" · ");
  const times = step.count > 1 && h("span", { class: "steps__count" }, `× ${step.count}`);
  return h(
    "tr",
    { data: { seq: step.seq } },
    h("td", { class: "steps__number" }, String(step.seq)),
    h("td", { class: "steps__number" }, step.at ? formatDuration(step.at - began) : "–"),
    h("td", {}, h("code", {}, type), times, facts && h("span", { class: "steps__facts" }, facts)),
    h("td", { class: "steps__number" }, String(step.attempt || "–")),
    h("td", {}, step.agent),
  );
}
