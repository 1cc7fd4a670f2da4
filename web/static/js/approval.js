// One tool call that waits for a person's yes, and how the decision stands. Knows no DOM.
//
// What is allowed must have been seen: the event's arguments are redacted and may be cut, so there is no yes before the
// exact ones are here, and the decision carries their hash. What is decided shows in every tab, by an event.

export class Approval {
  /** The exact arguments, or until those are here (`isExact`) the ones of the event. */
  arguments;
  isExact = false;
  /** "approved", "denied" or "expired" once that is on its way or known; null while the person may decide. */
  decision = null;
  /** True once the server has confirmed the decision. */
  isConfirmed = false;
  /** What went wrong, or null. */
  error = null;
  #api;
  #runId;
  #callId;
  #hash;
  #onChange;

  /** `tool` is the story's part; `onChange()` is called after every change. */
  constructor({ api, runId, tool, onChange }) {
    this.arguments = tool.arguments;
    this.editable = tool.approval.editable;
    this.expiresAt = tool.approval.expiresAt;
    this.#api = api;
    this.#runId = runId;
    this.#callId = tool.callId;
    this.#hash = tool.approval.hash;
    this.#onChange = onChange;
  }

  get canDeny() {
    return this.decision === null;
  }

  get canAllow() {
    return this.canDeny && this.isExact;
  }

  /** Read the exact arguments. */
  async read() {
    this.#change({ error: null });
    try {
      const found = await this.#api.approval(this.#runId, this.#callId);
      this.#hash = found.arguments_hash;
      const { arguments: exact, editable, expires_at: expiresAt } = found;
      this.#change({ arguments: exact, isExact: true, editable, expiresAt });
      if (found.decision !== null) this.#confirm(found.decision);
    } catch (error) {
      this.#change({ error });
    }
  }

  /** Say yes, perhaps to other `args` than the agent's. */
  async allow(args = null) {
    if (!this.canAllow) return;
    const isChanged = args !== null && JSON.stringify(args) !== JSON.stringify(this.arguments);
    await this.#decide("approved", isChanged ? { arguments: args } : {});
  }

  async deny() {
    if (this.canDeny) await this.#decide("denied", {});
  }

  async #decide(decision, more) {
    this.#change({ decision, error: null });
    const hash = this.#hash === "" ? {} : { arguments_hash: this.#hash };
    try {
      const answer = await this.#api.decide(this.#runId, this.#callId, { decision, ...hash, ...more });
      this.#confirm(answer.decision);
    } catch (error) {
      await this.#failed(decision, error);
    }
  }

  // That somebody was faster, in another tab or by the clock, is no error: the event that says so is on its way.
  async #failed(decision, error) {
    if (error.code === "already_decided") return this.#confirm(error.detail?.decision ?? decision);
    if (error.code === "expired") return this.#confirm("expired");
    this.#change({ decision: null });
    if (error.code === "arguments_changed") {
      this.#change({ isExact: false });
      await this.read();
    }
    if (!this.isConfirmed) this.#change({ error });
    return undefined;
  }

  #confirm(decision) {
    this.#change({ decision, isConfirmed: true, error: null });
  }

  #change(fields) {
    Object.assign(this, fields);
    this.#onChange();
  }
}
