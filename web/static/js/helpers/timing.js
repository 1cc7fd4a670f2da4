// Durations that grow while one watches, and work that is put off until the next frame.

import { formatRunningTime } from "./format.js";

const TICK = 1_000;

/** How far the servers' clock is ahead of ours, judged by the freshest event seen; only ever too small by its travel time. */
let clockLead = -Infinity;
const running = new Map();
let timer = null;

/** Learn the time from an event that has just arrived. */
export function learnTime(at) {
  clockLead = Math.max(clockLead, at - Date.now());
}

/** The present by the servers' clock, in Unix milliseconds. */
export function serverNow() {
  return Date.now() + (Number.isFinite(clockLead) ? clockLead : 0);
}

/** Keep `node` showing the time since `startedAt`, until `stopTicking`. */
export function tickSince(node, startedAt) {
  if (running.get(node) === startedAt) return;
  running.set(node, startedAt);
  show(node, startedAt);
  timer ??= setInterval(showAll, TICK);
}

export function stopTicking(node) {
  running.delete(node);
  if (running.size > 0 || timer === null) return;
  clearInterval(timer);
  timer = null;
}

/** A function that calls `action` once in the next frame, however often it is called before. */
export function oncePerFrame(action) {
  let frame = null;
  return () => {
    frame ??= requestAnimationFrame(() => {
      frame = null;
      action();
    });
  };
}

function showAll() {
  for (const [node, startedAt] of running) {
    if (node.isConnected) show(node, startedAt);
    else stopTicking(node);
  }
}

function show(node, startedAt) {
  node.textContent = formatRunningTime(serverNow() - startedAt);
}
