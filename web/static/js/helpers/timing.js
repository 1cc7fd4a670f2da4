// Durations that grow or shrink while one watches, and work that is put off until the next frame.

import { formatRemaining, formatRunningTime } from "./format.js";

const TICK = 1_000;

/** How far the servers' clock is ahead of ours, judged by the freshest news; too small by its time on the way. */
let clockLead = -Infinity;
const running = new Map();
let timer = null;

/** Learn the time from an event or an answer that has just arrived, in Unix milliseconds; NaN teaches nothing. */
export function learnTime(at) {
  if (Number.isFinite(at)) clockLead = Math.max(clockLead, at - Date.now());
}

/** The present by the servers' clock, in Unix milliseconds. */
export function serverNow() {
  return Date.now() + (Number.isFinite(clockLead) ? clockLead : 0);
}

/** Keep `node` showing the time since `startedAt`, until `stopTicking`. */
export function tickSince(node, startedAt) {
  tick(node, startedAt, (now) => formatRunningTime(now - startedAt));
}

/** Keep `node` showing how long it is until `endsAt`, and then that the time is up, until `stopTicking`. */
export function tickUntil(node, endsAt) {
  tick(node, endsAt, (now) => (now < endsAt ? `Expires in ${formatRemaining(endsAt - now)}` : "Time is up"));
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

function tick(node, at, words) {
  if (running.get(node)?.at === at) return;
  running.set(node, { at, words });
  show(node, words);
  timer ??= setInterval(showAll, TICK);
}

function showAll() {
  for (const [node, { words }] of running) {
    if (node.isConnected) show(node, words);
    else stopTicking(node);
  }
}

function show(node, words) {
  node.textContent = words(serverNow());
}
