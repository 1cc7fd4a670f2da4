// The three tables: live runs, workers, failures.

import { h, setAttribute, setText } from "../helpers/dom.js";
import { formatRunningTime } from "../helpers/format.js";
import { icon } from "../helpers/icons.js";
import { failureWords } from "../words.js";
import { actionButton, LiveTable, stateCell, textCell } from "./table.js";
import {
  attemptWords,
  eventWords,
  holdWords,
  hostOf,
  runState,
  shortId,
  workerSign,
  workerState,
} from "./words.js";

const COPIED_FOR = 1_500;

/** `on` has `open(runId)`, `cancel(run)`, `requeue(run)`; `now()` is the server's time. */
export function runsTable(heading, on, now) {
  return new LiveTable({
    heading,
    caption: "Live runs, those that need a look first",
    empty: "Nothing runs.",
    columns: [
      { title: "State", name: "state", show: stateCell(runState) },
      { title: "Run", name: "run", make: (item) => runLink(item, on) },
      { title: "Agent", name: "agent", show: textCell(({ agent }) => agent) },
      { title: "User", name: "id", make: (item) => shortened(item().user_id) },
      { title: "Attempt", name: "number", show: textCell(attemptWords) },
      { title: "Worker", name: "id", show: workerCell },
      { title: "Lease", name: "hold", show: textCell(holdWords) },
      { title: "Age", name: "number", show: textCell((run) => formatRunningTime(now() - run.created_at)) },
      { title: "Last event", name: "number", show: textCell(eventWords) },
      { title: "Actions", name: "actions", make: (item) => runActions(item, on), show: showRunActions },
    ],
  });
}

export function workersTable(heading, now) {
  return new LiveTable({
    heading,
    caption: "Workers, those that are lost first",
    empty: "No worker has been seen for a minute. Nothing runs until one starts.",
    columns: [
      { title: "State", name: "state", show: stateCell(workerState) },
      { title: "Worker", name: "run", make: (item) => shortened(item().worker_id) },
      { title: "Host", name: "host", show: textCell((worker) => (worker.about ? hostOf(worker) : "–")) },
      { title: "Last sign of life", name: "hold", show: textCell(workerSign) },
      { title: "Runs", name: "load", make: loadMeter, show: showLoad },
      { title: "Queues", name: "agent", show: textCell(({ about }) => about?.queues.join(", ") || "–") },
      { title: "Up for", name: "number", show: textCell(({ about }) => (about ? upFor(about, now) : "–")) },
      { title: "Version", name: "number", show: textCell(({ about }) => about?.version ?? "–") },
    ],
  });
}

export function failuresTable(heading, on, now) {
  return new LiveTable({
    heading,
    caption: "Runs that failed, the newest first",
    empty: "No run has failed.",
    columns: [
      { title: "When", name: "number", show: textCell((run) => `${formatRunningTime(now() - run.ended_at)} ago`) },
      { title: "Run", name: "run", make: (item) => runLink(item, on) },
      { title: "Agent", name: "agent", show: textCell(({ agent }) => agent) },
      { title: "User", name: "id", make: (item) => shortened(item().user_id) },
      { title: "Attempt", name: "number", show: textCell(attemptWords) },
      { title: "Reason", name: "reason", make: (item) => reason(item()) },
      { title: "Actions", name: "actions", make: (item) => againButton(item, on) },
    ],
  });
}

function upFor({ since }, now) {
  const minutes = Math.floor((now() - since) / 60_000);
  if (minutes < 60) return formatRunningTime(now() - since);
  return minutes < 1_440 ? `${Math.floor(minutes / 60)} h ${minutes % 60} min` : `${Math.floor(minutes / 1_440)} days`;
}

function runLink(item, on) {
  const { run_id: id } = item();
  const open = h("a", { href: `/ops/runs/${id}`, class: "run-link", title: id }, shortId(id));
  open.addEventListener("click", (event) => {
    if (event.metaKey || event.ctrlKey || event.shiftKey) return;
    event.preventDefault();
    on.open(id);
  });
  return h("span", { class: "run-cell" }, open, copyId(id));
}

/** A button that copies an id and says so for a moment. */
export function copyId(id) {
  const button = h("button", { type: "button", class: "copy", "aria-label": `Copy the id ${id}`, title: "Copy the id" });
  button.append(icon("copy"));
  button.addEventListener("click", async () => {
    let done = true;
    await navigator.clipboard.writeText(id).catch(() => (done = false));
    button.replaceChildren(icon(done ? "check" : "cross"));
    setTimeout(() => button.replaceChildren(icon("copy")), COPIED_FOR);
  });
  return button;
}

function shortened(id) {
  return h("span", { title: id }, shortId(id));
}

function workerCell(cell, { worker }) {
  setText(cell, worker ? shortId(worker) : "–");
  setAttribute(cell, "title", worker || null);
}

function runActions(item, on) {
  const id = shortId(item().run_id);
  return h(
    "span",
    { class: "lines__buttons" },
    actionButton("Requeue", `Requeue ${id}`, () => on.requeue(item())),
    actionButton("Stop", `Stop ${id}`, () => on.cancel(item())),
  );
}

// A button that cannot be used stays where it is: nothing moves under the pointer.
function showRunActions(cell, run) {
  const [requeue, stop] = cell.querySelectorAll("button");
  requeue.disabled = run.state !== "running";
  stop.disabled = Boolean(run.stopping_by);
}

function againButton(item, on) {
  return actionButton("Run again", `Run ${shortId(item().run_id)} again`, () => on.again(item()));
}

function reason({ code, message }) {
  const { title, text } = failureWords({ code, message });
  return [
    h("span", { class: "reason__title" }, title),
    code && h("code", { class: "reason__code" }, code),
    text && h("span", { class: "reason__text" }, text),
  ];
}

function loadMeter() {
  return h("span", { class: "load" }, h("span", { class: "load__text" }), h("meter", { class: "load__bar", min: 0 }));
}

function showLoad(cell, { about, holds, life }) {
  const runs = life === "gone" ? holds : (about?.runs ?? holds);
  const [text, bar] = cell.firstElementChild.children;
  setText(text, about ? `${runs} of ${about.concurrency}` : String(runs));
  setAttribute(bar, "hidden", !about);
  setAttribute(bar, "max", about?.concurrency ?? 1);
  setAttribute(bar, "value", Math.min(runs, about?.concurrency ?? 1));
  setAttribute(bar, "aria-label", "Runs of those that it may take");
}
