// What the operators' page says, from what the server tells. Pure.

import { count, formatRemaining, formatRunningTime } from "../helpers/format.js";

/** Random ids are told apart by their beginning; the whole one is a copy away. */
export function shortId(id) {
  const [kind, rest] = id.split("_");
  return rest === undefined ? id.slice(0, 12) : `${kind}_${rest.slice(0, 6)}`;
}

/** How a run stands, as `{text, tone}`. */
export function runState(run) {
  if (run.hold === "lapsed") return { text: "Worker lost", tone: "bad" };
  if (run.hold === "silent") return { text: "Worker silent", tone: "warn" };
  if (run.stopping_by) return { text: "Stopping", tone: "warn" };
  if (run.state === "queued") return run.silent_ms ? { text: "Queued again", tone: "warn" } : { text: "Queued", tone: "" };
  if (run.state === "waiting") return { text: "Waits for a person", tone: "" };
  return ENDED[run.state] ?? { text: "Running", tone: "good" };
}

const ENDED = {
  completed: { text: "Completed", tone: "good" },
  failed: { text: "Failed", tone: "bad" },
  cancelled: { text: "Stopped", tone: "" },
};

/** Who has a run and for how long, `late` ms after the server has said so. */
export function holdWords(run, late = 0) {
  const silent = `silent for ${formatRunningTime(run.silent_ms + late)}`;
  if (run.hold === "held") return `${formatRemaining(Math.max(0, run.lease_left_ms - late))} left`;
  if (run.hold === "silent") return `${silent}, lost in ${formatRemaining(Math.max(0, run.lease_left_ms - late))}`;
  if (run.hold === "lapsed") return silent;
  if (run.state === "queued" && run.silent_ms) return silent;
  if (run.state === "queued") return `waits for ${formatRunningTime(run.waited_ms + late)}`;
  if (run.state === "waiting") return `${formatRemaining(Math.max(0, run.decide_ms - late))} to decide`;
  return "";
}

/** A run that writes nothing for so long may hang. */
const QUIET = 30_000;

/** The last event's number, and how long ago it was when that is long. */
export function eventWords(run, late = 0) {
  const quiet = run.quiet_ms + late;
  return run.quiet_ms > QUIET ? `${run.last_seq}, ${formatRunningTime(quiet)} ago` : String(run.last_seq);
}

export function attemptWords({ attempt, losses }) {
  return losses > 0 ? `${attempt}, ${losses} lost` : String(attempt);
}

/** How a worker is, as `{text, tone}`. */
export function workerState({ life, about }) {
  if (life === "gone") return { text: "Gone", tone: "bad" };
  if (life === "silent") return { text: "Silent", tone: "warn" };
  return about?.draining ? { text: "Stopping", tone: "warn" } : { text: "Alive", tone: "good" };
}

export function workerSign({ life, silent_ms: silent, about }, late = 0) {
  const ago = `${formatRunningTime(silent + late)} ago`;
  if (life !== "gone") return ago;
  return `last seen ${ago}${about ? `, with ${count(about.runs, "run")}` : ""}`;
}

/** What has happened between two looks that somebody who does not look should hear. */
export function news(before, after) {
  if (before === null) return [];
  const was = new Map(before.workers.map((worker) => [worker.worker_id, worker.life]));
  const gone = after.workers.filter((worker) => worker.life === "gone" && was.get(worker.worker_id) !== "gone");
  const known = new Set(before.failures.map(({ run_id: id }) => id));
  const failed = after.failures.filter(({ run_id: id }) => !known.has(id));
  const said = gone.map((worker) => `A worker is gone: ${hostOf(worker)}, ${workerSign(worker)}.`);
  const lost = after.totals.without_worker;
  if (lost > 0 && before.totals.without_worker === 0) said.push(`${count(lost, "run")} without a worker.`);
  if (failed.length > 0) said.push(`${count(failed.length, "more run")} failed.`);
  return said;
}

export function hostOf({ worker_id: id, about }) {
  return about ? `${about.host}, process ${about.pid}` : shortId(id);
}

/**
 * The order in which lines are shown: as the server has it, but while somebody points at one of them (`isHeld`) known lines
 * stay where they are and new ones come last.
 */
export function steadyOrder(shown, items, isHeld) {
  if (!isHeld) return items;
  const place = new Map(shown.map((key, index) => [key, index]));
  const rank = ({ key }) => place.get(key) ?? shown.length;
  return items.map((item, index) => ({ item, index })).sort((a, b) => rank(a.item) - rank(b.item) || a.index - b.index)
    .map(({ item }) => item);
}
