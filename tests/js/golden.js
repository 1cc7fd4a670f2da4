// Reads the stories that the Python tests read too.

import { readdirSync, readFileSync } from "node:fs";

import { newStory, reduce } from "../../web/static/js/story.js";

const FOLDER = new URL("../fixtures/events/", import.meta.url);

export const goldenNames = readdirSync(FOLDER)
  .filter((name) => name.endsWith(".json"))
  .map((name) => name.replace(".json", ""));

export function golden(name) {
  return JSON.parse(readFileSync(new URL(`${name}.json`, FOLDER), "utf8"));
}

/** The story after all the events. */
export function tell(events) {
  return events.reduce(reduce, newStory(events[0].run_id));
}

/** A story without what only serves to cut text, so that two can be compared. */
export function picture(story) {
  return JSON.parse(JSON.stringify(story, (name, value) => (name === "pieces" ? undefined : value)));
}

/** All parts of one kind in the whole story. */
export function partsOfKind(story, kind) {
  return Object.values(story.calls).flatMap((call) => call.parts.filter((part) => part.kind === kind));
}

/** An event of a run that has begun already. */
export function event(seq, type, data, fields = {}) {
  const envelope = {
    type,
    seq,
    cursor: `${seq}-00000000`,
    terminal: false,
    run_id: "run_1",
    thread_id: "thr_1",
    attempt: 1,
  };
  return {
    ...envelope,
    agent_name: "data",
    agent_call_id: "a1",
    parent_call_id: null,
    at: 1_000 * seq,
    data,
    ...fields,
  };
}
