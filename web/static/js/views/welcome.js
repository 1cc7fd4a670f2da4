// What an empty chat shows: what this is for, and ways to begin.

import { h } from "../helpers/dom.js";

const SAMPLE_QUESTION = "Which region lost most revenue, and what should we do?";

// Column names say what can be asked; the types are the server's business.
const MEASURES = /revenue|sales|amount|total|profit|price|cost|units|quantity|score/i;
const GROUPS = /region|product|category|country|city|customer|department|team|channel|type|name/i;
const PERIODS = /date|month|year|quarter|week|day|time|period/i;

export class WelcomeView {
  #element;
  #on;
  #shown = "";

  /** `on` has onAsk(text) and onSample(question). */
  constructor(element, on) {
    this.#element = element;
    this.#on = on;
  }

  /** `state` is {isEmpty, files, isOffline, hasAgents}; nothing is shown unless the chat is empty. */
  update(state) {
    const key = state.isEmpty ? JSON.stringify(state) : "";
    if (key === this.#shown) return;
    this.#shown = key;
    this.#element.replaceChildren(...(state.isEmpty ? [contentOf(state, this.#on)] : []));
  }
}

function contentOf({ files, isOffline, hasAgents }, { onAsk, onSample }) {
  const tables = files.filter((file) => file.kind === "table");
  return h(
    "div",
    { class: "welcome" },
    h("h2", { class: "welcome__title" }, "What would you like to know?"),
    h(
      "p",
      { class: "welcome__text" },
      "Ask about your tables and documents. You see every step the agents take, as they take it.",
    ),
    h(
      "ul",
      { class: "welcome__ideas" },
      ideasFor(tables).map((idea) => ideaView(idea, { onAsk, onSample })),
    ),
    isOffline && hasAgents && offlineNote(),
    !hasAgents && h("p", { class: "callout" }, "No worker has reported yet. Messages wait until one starts."),
  );
}

function ideasFor(tables) {
  if (tables.length === 0) {
    return [
      {
        title: "Try it with sample data",
        text: `Adds a sales table of 192 rows and asks: “${SAMPLE_QUESTION}”`,
        sample: SAMPLE_QUESTION,
      },
      { title: "Make up some data", text: "Generate sample data about orders, 200 rows." },
      { title: "Just calculate", text: "What is 17 % of 2,340?" },
    ];
  }
  return ideasForTable(tables[0]);
}

function ideasForTable({ name, columns }) {
  const [measure, group, period] = [MEASURES, GROUPS, PERIODS].map((pattern) =>
    columns.find((column) => pattern.test(column)),
  );
  const ideas = [
    measure &&
      group &&
      period && { title: "Find the loss", text: `Which ${group} lost most ${measure}, and what should we do?` },
    measure && period && { title: "Follow it over time", text: `How did ${measure} change over time?` },
    measure && group && { title: "Rank them", text: `Which ${group} has the highest ${measure}?` },
  ].filter(Boolean);
  return ideas.length > 0 ? ideas : [{ title: "Look around", text: `What stands out in ${name}?` }];
}

function ideaView({ title, text, sample }, { onAsk, onSample }) {
  const action = () => (sample ? onSample(sample) : onAsk(text));
  const button = h(
    "button",
    { type: "button", class: "idea", on: { click: action } },
    h("span", { class: "idea__title" }, title),
    h("span", { class: "idea__text" }, text),
  );
  return h("li", {}, button);
}

function offlineNote() {
  return h(
    "p",
    { class: "callout" },
    h(
      "span",
      {},
      h("strong", {}, "The built-in offline model answers. "),
      "It makes real tool calls on your data, but its words are simple. Set a model key on the server to use a real model.",
    ),
  );
}
