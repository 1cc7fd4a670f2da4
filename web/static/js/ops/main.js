// Wires the operators' page. The only file of it that looks up elements.

import { setAttribute, setText, h } from "../helpers/dom.js";
import { count, formatNumber, formatRunningTime } from "../helpers/format.js";
import { icon } from "../helpers/icons.js";
import { announce, showProblem } from "../views/status.js";
import { wireTheme } from "../views/theme.js";
import { Acting } from "./acting.js";
import { ops } from "./api.js";
import { Charts, hourNote } from "./charts.js";
import { Glance } from "./glance.js";
import { Poller } from "./poller.js";
import { Sheet } from "./sheet.js";
import { failuresTable, runsTable, workersTable } from "./tables.js";
import { news } from "./words.js";

const EVERY = 2_000;
const HOUR_EVERY = 10_000;
const TICK = 1_000;
/** Older than this, times stop to grow: what is not known any more is not claimed. */
const STALE = 7_000;
const DONE_FOR = 6_000;

const element = (id) => document.getElementById(id);
const isVisible = () => document.visibilityState === "visible";

let overview = null;
let hour = null;
/** When the overview came, by a clock that never jumps. */
let cameAt = 0;
let problem = null;

/** How old what is shown is, in ms. */
const age = () => performance.now() - cameAt;
/** For how long what is shown may be taken to have gone on. */
const late = () => Math.min(age(), STALE);
const now = () => overview.at + late();

const glance = new Glance(element("tiles"));
const charts = new Charts(element("charts"));
const acting = new Acting({
  ops,
  dialog: element("dialog"),
  onDone: (text) => {
    showDone(text);
    look();
  },
  onProblem: (text) => {
    showProblem(element("toasts"), text);
    look();
  },
});
const on = {
  open: (runId) => openRun(runId),
  cancel: (run) => acting.cancel(run),
  requeue: (run) => acting.requeue(run),
  again: (run) => acting.again(run),
};
const runs = runsTable(element("runs-title"), on, now);
const workers = workersTable(element("workers-title"), now);
const failures = failuresTable(element("failures-title"), on, now);
element("runs").append(runs.element);
element("workers").append(workers.element);
element("failures").append(failures.element);

const sheet = new Sheet(element("sheet"), { ops, acting, onClose: () => leaveRun() });

const poller = new Poller({
  load: ops.overview,
  every: EVERY,
  isVisible,
  onData: (told) => {
    const said = news(overview, told);
    // The server may answer with the look that it took for the last call: that one is no younger now.
    if (told.at !== overview?.at) cameAt = performance.now();
    overview = told;
    problem = null;
    show();
    if (said.length > 0) announce(element("announcer"), said.join(" "));
  },
  onFailure: (error) => {
    problem = error;
    showFreshness();
  },
});
const hourPoller = new Poller({
  load: ops.hour,
  every: HOUR_EVERY,
  isVisible,
  onData: (told) => {
    hour = told;
    charts.show(hour);
    hourNote(element("hour-note"), hour);
    if (overview !== null) glance.show(overview, hour);
  },
  onFailure: (error) => setText(element("hour-note"), `Not live: ${error.message}`),
});

function look() {
  poller.look();
  hourPoller.look();
}

function show() {
  const keyed = (items, id) => items.map((item) => ({ ...item, key: item[id] }));
  glance.show(overview, hour);
  runs.show(keyed(overview.runs, "run_id"), late());
  workers.show(keyed(overview.workers, "worker_id"), late());
  failures.show(keyed(overview.failures, "run_id"), late());
  setText(element("runs-count"), shownOf(overview.runs.length, overview.runs_total, "run"));
  setText(element("workers-count"), shownOf(overview.workers.length, overview.workers_total, "worker"));
  setText(element("failures-count"), shownOf(overview.failures.length, overview.failures_total, "failure"));
  showFreshness();
}

function shownOf(shown, total, noun) {
  return shown < total ? `${formatNumber(shown)} of ${count(total, noun)}` : count(total, noun);
}

function showFreshness() {
  if (overview === null && problem === null) return;
  const isStale = overview === null || age() > STALE;
  element("fresh-dot").classList.toggle("ops__dot--stale", isStale);
  setText(element("fresh-text"), isStale ? "Not live" : "Live");
  const words = isStale ? staleWords() : null;
  const bar = element("stale");
  const wasHidden = bar.hidden;
  setAttribute(bar, "hidden", words === null);
  if (words !== null) bar.replaceChildren(icon("warning"), words);
  if (words !== null && wasHidden) announce(element("announcer"), words);
}

function staleWords() {
  const reason = problem === null ? "" : ` ${problem.message}`;
  if (overview === null) return `Nothing could be read yet.${reason}`;
  return `What you see is ${formatRunningTime(age())} old.${reason} Trying again.`;
}

function showDone(text) {
  const note = h("div", { class: "toast toast--good" }, icon("check"), h("span", {}, text));
  element("toasts").append(note);
  setTimeout(() => note.remove(), DONE_FOR);
  announce(element("announcer"), text);
}

function openRun(runId) {
  history.pushState(null, "", `/ops/runs/${encodeURIComponent(runId)}`);
  sheet.open(runId);
}

function leaveRun() {
  if (location.pathname !== "/ops") history.pushState(null, "", "/ops");
}

function openAddressed() {
  const [, runId] = /^\/ops\/runs\/([^/]+)$/.exec(location.pathname) ?? [];
  if (runId !== undefined) sheet.open(decodeURIComponent(runId));
  else if (sheet.runId !== null) sheet.close();
}

setInterval(() => {
  if (!isVisible() || overview === null) return;
  if (age() <= STALE) show();
  else showFreshness();
}, TICK);
document.addEventListener("visibilitychange", () => {
  if (!isVisible()) return;
  look();
  sheet.look();
});
addEventListener("popstate", openAddressed);

wireTheme(element("theme"));
poller.start();
hourPoller.start();
openAddressed();
