// Wires the parts together. The only file that looks up elements of the page.

import { api } from "./api.js";
import { Connection } from "./connection.js";
import { Conversation } from "./conversation.js";
import { acceptDrops } from "./dropzone.js";
import { setText } from "./helpers/dom.js";
import { icon } from "./helpers/icons.js";
import { TailFollower } from "./helpers/scroll.js";
import { learnTime, oncePerFrame } from "./helpers/timing.js";
import { Library } from "./library.js";
import { Monitor } from "./monitor.js";
import { Outbox } from "./outbox.js";
import { Peers } from "./peers.js";
import { Sidebar } from "./sidebar.js";
import { Subscriptions } from "./subscriptions.js";
import { ComposerView } from "./views/composer.js";
import { ConversationView } from "./views/conversation.js";
import { confirmIn } from "./views/dialog.js";
import { FilesView, UploadsView } from "./views/files.js";
import { announce, ConnectionStatus, showProblem } from "./views/status.js";
import { wireTheme } from "./views/theme.js";
import { ThreadsView } from "./views/threads.js";
import { WelcomeView } from "./views/welcome.js";

const LOOK_EVERY = 20_000;
const SAMPLE = "/static/samples/sales.csv";

const element = (id) => document.getElementById(id);
for (const holder of document.querySelectorAll("[data-icon]")) holder.prepend(icon(holder.dataset.icon));

let conversation = null;
const outbox = new Outbox();

const library = new Library(api, {
  onThreads: () => threads.update(library.threads, conversation.threadId),
  onFiles: () => showFiles(),
  onCatalogue: () => showCatalogue(),
  onProblem: (error) => showProblem(element("toasts"), error.message),
});

const subscriptions = new Subscriptions({
  send: (frame) => {
    if (frame.op === "subscribe") monitor.start();
    return monitor.send(frame);
  },
  onEvents: (runId, events) => {
    learnTime(events.at(-1).at);
    conversation.tell(runId, events);
    if (events.at(-1).terminal) ended(events.at(-1));
  },
  onReset: (runId) => conversation.restart(runId),
  onLive: () => {},
  onRefused: (runId, error) => conversation.refuse(runId, error),
});

const monitor = new Monitor({
  connect: (handlers) => new Connection(`${location.protocol.replace("http", "ws")}//${location.host}/ws`, handlers),
  isWanted: () => subscriptions.size > 0,
  renew: () => api.session().catch(() => {}),
  onOpen: () => subscriptions.resume(),
  onFrame: (frame) => subscriptions.receive(frame),
  onState: (state, code) => status.update(state, code),
});

const peers = new Peers((news) => {
  if (news.kind === "files") library.refreshFiles();
  else library.refreshThreads();
  if (news.kind === "run" && news.threadId === conversation.threadId) look();
});

const status = new ConnectionStatus(element("connection"), () => monitor.start());
const sidebar = new Sidebar({
  sidebar: element("sidebar"),
  main: element("main"),
  backdrop: element("backdrop"),
  open: element("open-sidebar"),
  close: element("close-sidebar"),
});
const tail = new TailFollower(
  element("scroller"),
  element("column"),
  (following) => (element("jump").hidden = following),
);
const uploads = new UploadsView(element("uploads"));

const threads = new ThreadsView(element("threads"), {
  onOpen: (threadId) => go(threadId),
  onDelete: (thread) => deleteThread(thread),
});

const files = new FilesView(element("files"), { onDelete: (file) => deleteFile(file) });

const composer = new ComposerView(
  {
    form: element("composer"),
    text: element("message"),
    send: element("send"),
    stop: element("stop"),
    attach: element("attach"),
    picker: element("picker"),
    agent: element("agent"),
  },
  {
    onSend: (text, agent) => send(text, agent),
    onStop: () => conversation.activeTurn && conversation.stop(conversation.activeTurn),
    onFiles: (chosen) => uploadAll(chosen),
    onDraft: (text) => outbox.saveDraft(conversation.threadId, text),
  },
);

const turns = new ConversationView(element("turns"), element("scroller"), {
  onStop: (turn) => conversation.stop(turn),
  onRetry: (turn) => (conversation.activeTurn ? composer.focus() : send(turn.question, turn.agent)),
  onResend: (turn) => conversation.resend(turn),
  onDiscard: (turn) => conversation.discard(turn),
  onLoad: (turn) => loadAgain(turn),
  onDrawn: (turn) => conversation.rendered(turn),
  isReading: () => !tail.following,
});

const welcome = new WelcomeView(element("welcome"), {
  onAsk: (text) => send(text, composer.agent),
  onSample: (question) => askSample(question),
});

const showSoon = oncePerFrame(() => showTurns());

/** Open a thread, or with null a new chat. */
function open(threadId) {
  conversation?.close();
  const opened = new Conversation({
    threadId,
    api,
    outbox,
    subscriptions,
    onChange: () => opened === conversation && showSoon(),
    onTurns: () => opened === conversation && showTurns(),
    onThread: (accepted) => opened === conversation && settle(accepted),
    onProblem: (error) => showProblem(element("toasts"), error.message),
  });
  conversation = opened;
  composer.text = outbox.draft(threadId);
  threads.update(library.threads, threadId);
  showTurns();
  tail.jump();
  opened.deliverPending();
  opened.refresh().catch((error) => error.status === 404 && opened === conversation && absent());
}

function go(threadId) {
  if (threadId !== conversation.threadId || threadId === null) {
    history.pushState(null, "", threadId === null ? "/" : `/t/${threadId}`);
    open(threadId);
  }
  sidebar.close();
  composer.focus();
}

function threadOfAddress() {
  return /^\/t\/([\w-]+)$/.exec(location.pathname)?.[1] ?? null;
}

function absent() {
  history.replaceState(null, "", "/");
  open(null);
  showProblem(element("toasts"), "This chat does not exist, or it is not yours.");
}

// A message was accepted: a new chat has its address now.
function settle(threadId) {
  if (threadOfAddress() === null) history.replaceState(null, "", `/t/${threadId}`);
  peers.tell({ kind: "run", threadId });
  library.refreshThreads();
  showTurns();
}

function send(text, agent) {
  uploads.clearDone();
  conversation.send(text, agent);
  tail.jump();
}

async function loadAgain(turn) {
  await conversation.loadStory(turn);
  if (turn.loaded === "failed") await look();
}

function ended(event) {
  const said = { agent_completed: "The answer is complete.", agent_cancelled: "The run was stopped." };
  announce(element("announcer"), said[event.type] ?? `The run failed. ${event.data.error?.message ?? ""}`);
  library.refreshThreads();
  library.refreshFiles();
  // A hidden page draws no frames, but its title should still say that it is done.
  showState();
}

function showTurns() {
  turns.show(conversation.turns);
  showState();
}

/** What stands around the conversation: buttons, title, welcome. */
function showState() {
  const active = conversation.activeTurn;
  composer.setBusy(active !== null, { canStop: active?.phase === "accepted" && !active.stopping });
  showWelcome();
  const title =
    library.threads.find((thread) => thread.thread_id === conversation.threadId)?.title ||
    conversation.title ||
    "New chat";
  setText(element("title"), title);
  document.title = `${active ? "● " : ""}${title} · outloud`;
}

function showWelcome() {
  const isEmpty = conversation.turns.length === 0 && conversation.threadId === null;
  const { agents, offline } = library.catalogue;
  welcome.update({ isEmpty, files: library.files, isOffline: offline, hasAgents: agents.length > 0 });
}

async function askSample(question) {
  const response = await fetch(SAMPLE);
  const file = new File([await response.blob()], "sales.csv", { type: "text/csv" });
  if (await uploadOne(file)) send(question, composer.agent);
}

function showFiles() {
  files.update(library.files);
  showWelcome();
}

function showCatalogue() {
  const { agents, default_agent: first, model, offline } = library.catalogue;
  composer.setAgents(agents, first);
  setText(element("model"), offline ? "Built-in offline model" : model);
  element("offline-badge").hidden = !offline;
  showWelcome();
}

async function uploadOne(file) {
  const info = await library.upload(file, uploads.add(file.name));
  if (info) peers.tell({ kind: "files" });
  return info;
}

function uploadAll(chosen) {
  for (const file of chosen) uploadOne(file);
}

async function deleteThread(thread) {
  const agreed = await confirmIn(element("dialog"), {
    title: "Delete this chat?",
    text: `“${thread.title}” and everything its agents did will be gone.`,
    action: "Delete chat",
  });
  if (!agreed || !(await library.deleteThread(thread.thread_id))) return;
  peers.tell({ kind: "threads" });
  if (thread.thread_id === conversation.threadId) go(null);
}

async function deleteFile(file) {
  const agreed = await confirmIn(element("dialog"), {
    title: "Delete this file?",
    text: `Agents will no longer see “${file.name}”.`,
    action: "Delete file",
  });
  if (agreed && (await library.deleteFile(file.file_id))) peers.tell({ kind: "files" });
}

/** Look at the server for runs that other tabs or devices have started. */
async function look() {
  await conversation.refresh().catch((error) => error.status === 404 && absent());
}

element("new-chat").addEventListener("click", () => go(null));
element("brand").addEventListener("click", (event) => {
  event.preventDefault();
  go(null);
});
element("add-file").addEventListener("click", () => element("picker").click());
element("jump").addEventListener("click", () =>
  tail.jump({ smooth: !matchMedia("(prefers-reduced-motion: reduce)").matches }),
);
acceptDrops(element("drop"), uploadAll);

addEventListener("popstate", () => open(threadOfAddress()));
addEventListener("offline", () => status.lost());
addEventListener("online", () => {
  if (monitor.state === "idle") status.update("idle");
  monitor.replace();
  conversation.resendUnreached();
  look();
});
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState !== "visible") return;
  monitor.wake();
  look();
  library.refresh();
});
setInterval(() => document.visibilityState === "visible" && look(), LOOK_EVERY);

wireTheme(element("theme"));
open(threadOfAddress());
composer.focus();
library.refresh().then(showTurns);
