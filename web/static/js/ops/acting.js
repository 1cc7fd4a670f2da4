// What an operator does: asked, done, told.

import { confirmIn } from "../views/dialog.js";
import { shortId } from "./words.js";

const QUESTIONS = {
  cancel: ({ run_id: id, agent }) => ({
    title: "Stop this run?",
    text: `${shortId(id)} of ${agent} ends at once. Its owner reads that an operator stopped it.`,
    action: "Stop the run",
  }),
  requeue: ({ run_id: id, attempt, worker }) => ({
    title: "Give it to another worker?",
    text:
      `Attempt ${attempt} of ${shortId(id)} is taken from ${shortId(worker)}. ` +
      "Finished steps are not repeated. A tool that is in the middle of its work may be told as interrupted.",
    action: "Requeue the run",
  }),
  again: ({ run_id: id, agent }) => ({
    title: "Run it again?",
    text: `Its owner gets a new run of ${agent} in the same chat, with the message of ${shortId(id)}.`,
    action: "Run it again",
  }),
};

const DONE = {
  cancel: (run, { stopping }) => `${shortId(run.run_id)} ${stopping ? "is being stopped" : "was stopped"}.`,
  requeue: (run) => `${shortId(run.run_id)} was taken from ${shortId(run.worker)} and waits for another worker.`,
  again: (run, { run_id: id }) => `${shortId(run.run_id)} runs again as ${shortId(id)}.`,
};

export class Acting {
  #ops;
  #dialog;
  #onDone;
  #onProblem;

  /** `onDone(text)` and `onProblem(text)` say what came of it. */
  constructor({ ops, dialog, onDone, onProblem }) {
    this.#ops = ops;
    this.#dialog = dialog;
    this.#onDone = onDone;
    this.#onProblem = onProblem;
  }

  cancel(run) {
    return this.#act("cancel", run, () => this.#ops.cancel(run.run_id));
  }

  requeue(run) {
    return this.#act("requeue", run, () => this.#ops.requeue(run.run_id, run.attempt));
  }

  again(run) {
    return this.#act("again", run, () => this.#ops.again(run.run_id));
  }

  async #act(name, run, call) {
    // What was asked about is done, whatever the line has become meanwhile.
    const asked = { ...run };
    if (!(await confirmIn(this.#dialog, QUESTIONS[name](asked)))) return;
    try {
      this.#onDone(DONE[name](asked, await call()));
    } catch (error) {
      this.#onProblem(error.message);
    }
  }
}
