// The card of a tool call that waits for a person's yes: what is to be done, allow, deny, edit.

import { h, newId, setAttribute, setText } from "../helpers/dom.js";
import { parseArguments, writeVisibly } from "../helpers/json.js";
import { icon } from "../helpers/icons.js";
import { stopTicking, tickUntil } from "../helpers/timing.js";
import { exactArgumentsView } from "./arguments.js";
import { smallButton } from "./button.js";

const PROGRESS = {
  approved: "Allowed. It goes on as soon as a worker takes it.",
  denied: "Denied. The agent will be told.",
  expired: "The time was up before this decision.",
};

export class ApprovalView {
  #approval;
  #shown = { arguments: null, error: null };
  #title = h("p", { class: "approval__title", id: newId("approval") });
  #expiry = h("span", { class: "approval__expiry" });
  #arguments = h("div", { class: "approval__arguments" });
  #error = h("div", { class: "approval__error", role: "alert" });
  #reading = h("p", { class: "approval__progress" }, "Reading the exact arguments…");
  #progress = h("p", { class: "approval__progress", role: "status" });
  #buttons = h("div", { class: "approval__buttons" });
  #allow = h("button", { type: "button", class: "button button--primary" }, icon("check"), "Allow");
  #deny = h("button", { type: "button", class: "button button--danger" }, icon("denied"), "Deny");
  #edit = h("button", { type: "button", class: "button" }, icon("edit"), "Edit");
  #form;

  /** `openApproval(onChange)` makes the Approval that this card shows. */
  constructor(tool, openApproval) {
    this.#title.append(h("code", {}, tool.name), " needs your yes");
    this.#form = new EditForm({
      onSave: (args) => this.#act((approval) => approval.allow(args)),
      onCancel: () => this.#stopEditing(),
    });
    this.#allow.addEventListener("click", () => this.#act((approval) => approval.allow()));
    this.#deny.addEventListener("click", () => this.#act((approval) => approval.deny()));
    this.#edit.addEventListener("click", () => this.#startEditing());
    this.#buttons.append(this.#allow, this.#deny, this.#edit);
    this.element = h(
      "section",
      { class: "approval", tabindex: "-1", "aria-labelledby": this.#title.id },
      h("div", { class: "approval__head" }, icon("pause"), this.#title, this.#expiry),
      tool.purpose && h("p", { class: "approval__purpose" }, tool.purpose),
      this.#arguments,
      this.#form.element,
      this.#error,
      this.#reading,
      this.#progress,
      this.#buttons,
    );
    this.#approval = openApproval(() => this.#show());
    this.#show();
    this.#approval.read();
  }

  destroy() {
    stopTicking(this.#expiry);
  }

  #show() {
    const approval = this.#approval;
    this.#showExpiry(approval);
    this.#showArguments(approval);
    setAttribute(this.#allow, "disabled", !approval.canAllow);
    setAttribute(this.#deny, "disabled", !approval.canDeny);
    setAttribute(this.#edit, "disabled", !approval.canAllow);
    setAttribute(this.#edit, "hidden", !approval.editable);
    this.#form.setBusy(!approval.canAllow);
    this.#showError(approval);
    setAttribute(this.#reading, "hidden", approval.isExact || approval.error !== null || approval.decision !== null);
    setText(this.#progress, progressOf(approval));
  }

  #showExpiry({ expiresAt }) {
    setAttribute(this.#expiry, "hidden", !expiresAt);
    if (!expiresAt) return;
    this.#expiry.title = new Date(expiresAt).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
    tickUntil(this.#expiry, expiresAt);
  }

  #showArguments({ arguments: args }) {
    if (args === this.#shown.arguments) return;
    this.#shown.arguments = args;
    this.#arguments.replaceChildren(exactArgumentsView(args));
    this.#setEditing(false);
  }

  #showError({ error, isExact }) {
    if (error === this.#shown.error) return;
    this.#shown.error = error;
    const again = () => this.#act((approval) => approval.read());
    const parts = error === null ? [] : [icon("warning"), h("span", {}, error.message)];
    if (error !== null && !isExact) parts.push(smallButton("Read again", again, { iconName: "retry" }));
    this.#error.replaceChildren(...parts);
  }

  // Pressed buttons are disabled or go away, and would lose the focus to nowhere: the card keeps it instead.
  #act(action) {
    this.element.focus({ preventScroll: true });
    action(this.#approval);
  }

  #startEditing() {
    this.#setEditing(true);
    this.#form.open(writeVisibly(this.#approval.arguments));
  }

  #stopEditing() {
    this.#setEditing(false);
    this.#edit.focus({ preventScroll: true });
  }

  #setEditing(isEditing) {
    for (const shown of [this.#arguments, this.#buttons]) setAttribute(shown, "hidden", isEditing);
    setAttribute(this.#form.element, "hidden", !isEditing);
  }
}

/** Arguments as JSON in a text box; what is saved is an object. */
class EditForm {
  #text = h("textarea", { class: "approval__text", id: newId("arguments"), spellcheck: "false" });
  #problem = h("p", { class: "approval__problem", id: newId("problem"), role: "alert" });
  #save = h("button", { type: "submit", class: "button button--primary" }, icon("check"), "Allow with changes");
  #onSave;

  constructor({ onSave, onCancel }) {
    this.#onSave = onSave;
    const label = h("label", { class: "approval__label", for: this.#text.id }, "Arguments, as JSON");
    const cancel = h("button", { type: "button", class: "button", on: { click: onCancel } }, "Cancel");
    const buttons = h("div", { class: "approval__buttons" }, this.#save, cancel);
    this.element = h("form", { class: "approval__form", hidden: true }, label, this.#text, this.#problem, buttons);
    this.element.addEventListener("submit", (event) => this.#submit(event));
    this.element.addEventListener("keydown", (event) => event.key === "Escape" && onCancel());
    this.#text.addEventListener("input", () => this.#complain(""));
    this.#text.setAttribute("aria-describedby", this.#problem.id);
    this.#text.setAttribute("autocapitalize", "off");
  }

  open(text) {
    this.#text.value = text;
    this.#text.rows = Math.min(16, text.split("\n").length + 1);
    this.#complain("");
    this.#text.focus();
  }

  setBusy(isBusy) {
    setAttribute(this.#save, "disabled", isBusy);
    setAttribute(this.#text, "readonly", isBusy);
  }

  #submit(event) {
    event.preventDefault();
    const args = this.#read();
    if (args === null) this.#text.focus();
    else this.#onSave(args);
  }

  #read() {
    try {
      return parseArguments(this.#text.value);
    } catch (error) {
      this.#complain(error.message);
      return null;
    }
  }

  #complain(problem) {
    setText(this.#problem, problem);
    setAttribute(this.#problem, "hidden", problem === "");
    setAttribute(this.#text, "aria-invalid", problem !== "" && "true");
  }
}

function progressOf({ decision, isConfirmed }) {
  if (decision === null) return "";
  return isConfirmed ? PROGRESS[decision] : "Sending your decision…";
}
