// Wires the parts together. The only file that looks up elements of the page.

import { api, whenRefused } from "./api.js";
import { Approval } from "./approval.js";
import { Belongings } from "./belongings.js";
import { Connection } from "./connection.js";
import { Conversation } from "./conversation.js";
import { acceptDrops } from "./dropzone.js";
import { icon } from "./helpers/icons.js";
import { TailFollower } from "./helpers/scroll.js";
import { learnTime, oncePerFrame } from "./helpers/timing.js";
import { Library } from "./library.js";
import { Lookout } from "./lookout.js";
import { Monitor } from "./monitor.js";
import { Outbox } from "./outbox.js";
import { Peers } from "./peers.js";
import { Session } from "./session.js";
import { Sidebar } from "./sidebar.js";
import { Subscriptions } from "./subscriptions.js";
import { viewerId } from "./viewer.js";
import { ComposerView } from "./views/composer.js";
import { ConversationView } from "./views/conversation.js";
import { FilesView, UploadsView } from "./views/files.js";
import { SessionView } from "./views/session.js";
import { announce, ConnectionStatus, showNotice, showProblem } from "./views/status.js";
import { SurroundingsView } from "./views/surroundings.js";
import { wireTheme } from "./views/theme.js";
import { ThreadsView } from "./views/threads.js";
import { WaitingView } from "./views/waiting.js";
import { WelcomeView } from "./views/welcome.js";

const element = (id) => document.getElementById(id);
for (const holder of document.querySelectorAll("[data-icon]")) holder.prepend(icon(holder.dataset.icon));

let conversation = null;
/** The run that has just ended and has not been drawn since. */
let endedRun = null;
const outbox = new Outbox();

const session = new Session({
  api,
  known: JSON.parse(document.body.dataset.session),
  isVisible: () => document.visibilityState === "visible",
  owner: () => outbox.owner,
  onKnown: (known) => {
    if (!known.anonymous) outbox.belongTo(known.user_id);
    sessionView.show(known);
  },
  onLost: (known) => {
    sessionView.lost(known);
    showNotice(element("notice"), null);
  },
  onFound: () => signedInAgain(),
  // Loaded anew, the page throws away what the person before them has left.
  onOther: () => location.assign("/"),
});
whenRefused(() => session.doubt());

const library = new Library(api, {
  onThreads: () => threads.update(library.threads, conversation.threadId),
  onFiles: () => showFiles(),
  onCatalogue: () => showCatalogue(),
  onProblem: (error) => complain(error),
});

const subscriptions = new Subscriptions({
  send: (frame) => {
    if (frame.op === "subscribe") monitor.start();
    if (frame.op === "unsubscribe") monitor.rest();
    return monitor.send(frame);
  },
  onEvents: (runId, events) => {
    learnTime(events.at(-1).at);
    conversation.tell(runId, events);
    if (events.at(-1).terminal) ended(events.at(-1));
    // A hidden page draws no frames, but its title should still say that it waits for a person.
    if (events.some(({ type }) => type === "approval_requested")) surroundings.update(conversation, library);
  },
  onReset: (runId) => conversation.restart(runId),
  onLive: () => {},
  onRefused: (runId, error) => {
    conversation.refuse(runId, error);
    announce(element("announcer"), error.message);
    monitor.rest();
  },
});

const monitor = new Monitor({
  connect: (handlers) => new Connection(socketUrl(), handlers),
  isWanted: () => subscriptions.size > 0 && !session.isLost,
  renew: () => session.check(),
  onOpen: () => subscriptions.resume(),
  onFrame: (frame) => subscriptions.receive(frame),
  onState: (state, code) => status.update(state, code),
});

const peers = new Peers((news) => {
  if (news.kind === "files") library.refreshFiles();
  else if (news.kind === "session") session.look();
  else library.refreshThreads();
  if (news.kind === "threads" || (news.kind === "run" && news.threadId === conversation.threadId)) lookout.look();
});

const lookout = new Lookout({
  library,
  conversation: () => conversation,
  isVisible: () => document.visibilityState === "visible",
  isSignedIn: () => !session.isLost,
  onGone: (gone) => leaveGone(gone),
  onNotice: (text) => showNotice(element("notice"), text),
});

const status = new ConnectionStatus(element("connection"), () => monitor.start());
const sessionView = new SessionView(
  {
    bar: element("session"),
    person: element("person"),
    name: element("person-name"),
    operators: element("operators"),
  },
  document.body.dataset.signInUrl,
  () => session.look(),
);
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
const belongings = new Belongings({ library, peers, uploads, dialog: element("dialog") });

const threads = new ThreadsView(element("threads"), {
  onOpen: (threadId) => go(threadId),
  onDelete: (thread) => deleteThread(thread),
});

const files = new FilesView(element("files"), { onDelete: (file) => belongings.deleteFile(file) });

const composer = new ComposerView(
  {
    form: element("composer"),
    text: element("message"),
    send: element("send"),
    stop: element("stop"),
    choice: element("choice"),
    interrupt: element("interrupt"),
    attach: element("attach"),
    picker: element("picker"),
    agent: element("agent"),
  },
  {
    onSend: (text, agent, whenBusy) => send(text, agent, whenBusy),
    onStop: () => conversation.activeTurn && conversation.stop(conversation.activeTurn),
    onFiles: (chosen) => belongings.addAll(chosen),
    onDraft: (text) => outbox.saveDraft(conversation.threadId, text),
  },
);

const turns = new ConversationView(element("turns"), element("scroller"), {
  onStop: (turn) => conversation.stop(turn),
  onRetry: (turn) => send(turn.question, turn.agent),
  onResend: (turn) => conversation.resend(turn),
  onResendElsewhere: (turn) => sendElsewhere(turn),
  onDiscard: (turn) => conversation.discard(turn),
  onLoad: (turn) => loadAgain(turn),
  onDrawn: (turn) => drawn(turn),
  isReading: () => !tail.following,
  openApproval: (runId, tool, onChange) => new Approval({ api, runId, tool, onChange }),
});

const welcome = new WelcomeView(element("welcome"), {
  onAsk: (text) => askIdea(text),
  onSample: (question) => askSample(question),
});

const waiting = new WaitingView(
  { line: element("waiting"), text: element("waiting-text"), show: element("show-waiting") },
  { onShow: () => turns.showApproval(), onNews: (text) => announce(element("announcer"), text) },
);

const surroundings = new SurroundingsView({
  composer,
  welcome,
  waiting,
  title: element("title"),
  model: element("model"),
  badge: element("offline-badge"),
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
    onProblem: (error) => complain(error),
  });
  conversation = opened;
  composer.text = outbox.draft(threadId);
  threads.update(library.threads, threadId);
  showTurns();
  tail.jump();
  opened.deliverPending();
  lookout.begin();
}

// That nobody is signed in is said once, by the session's bar.
function complain(error) {
  if (error.status !== 401) showProblem(element("toasts"), error.message);
}

// From where it was left: what was refused is done now, and the runs are followed from their cursors.
function signedInAgain() {
  sessionView.found();
  announce(element("announcer"), "Signed in again.");
  peers.tell({ kind: "session" });
  conversation.takeUp();
  if (subscriptions.size > 0) monitor.start();
  library.refresh();
  lookout.look();
}

function go(threadId) {
  if (threadId !== conversation.threadId || threadId === null) {
    history.pushState(null, "", threadId === null ? "/" : `/t/${threadId}`);
    open(threadId);
  }
  sidebar.close();
  composer.focus();
}

function socketUrl() {
  return `${location.protocol.replace("http", "ws")}//${location.host}/ws?viewer=${viewerId()}`;
}

function threadOfAddress() {
  return /^\/t\/([\w-]+)$/.exec(location.pathname)?.[1] ?? null;
}

// The thread is not there (any more). What was being written for it is kept.
function leaveGone({ threadId, isRead }) {
  const draft = outbox.draft(threadId);
  outbox.saveDraft(threadId, "");
  if (draft !== "") outbox.saveDraft(null, draft);
  history.replaceState(null, "", "/");
  open(null);
  const text = isRead ? "This chat has been deleted." : "This chat does not exist, or it is not yours.";
  showProblem(element("toasts"), text);
}

// A message was accepted: a new chat has its address now.
function settle(threadId) {
  if (threadOfAddress() === null) history.replaceState(null, "", `/t/${threadId}`);
  peers.tell({ kind: "run", threadId });
  library.refreshThreads();
  showTurns();
}

function send(text, agent, whenBusy) {
  uploads.clearDone();
  conversation.send(text, agent, whenBusy);
  tail.jump();
  announce(element("announcer"), "Sent.");
}

function sendElsewhere(turn) {
  conversation.discard(turn);
  go(null);
  send(turn.question, turn.agent);
}

// The pressed button goes away with the welcome: the focus needs another place.
function askIdea(text) {
  send(text, composer.agent);
  composer.focus();
}

async function askSample(question) {
  composer.focus();
  if (await belongings.addSample()) send(question, composer.agent);
}

function drawn(turn) {
  conversation.rendered(turn);
  if (turn.runId === null || turn.runId !== endedRun) return;
  endedRun = null;
  tail.showTop(...turns.answerSpan(turn));
}

async function loadAgain(turn) {
  await conversation.loadStory(turn);
  if (turn.loaded === "failed") await lookout.look();
}

function ended(event) {
  endedRun = event.run_id;
  const said = { agent_completed: "The answer is complete.", agent_cancelled: "The run was stopped." };
  announce(element("announcer"), said[event.type] ?? `The run failed. ${event.data.error?.message ?? ""}`);
  library.refreshThreads();
  library.refreshFiles();
  // A hidden page draws no frames, but its title should still say that it is done.
  surroundings.update(conversation, library);
}

function showTurns() {
  turns.show(conversation.turns);
  surroundings.update(conversation, library);
}

function showFiles() {
  files.update(library.files);
  surroundings.showWelcome(conversation, library);
}

function showCatalogue() {
  surroundings.showCatalogue(library.catalogue);
  surroundings.showWelcome(conversation, library);
}

async function deleteThread(thread) {
  if ((await belongings.deleteThread(thread)) && thread.thread_id === conversation.threadId) go(null);
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
acceptDrops(element("drop"), (dropped) => belongings.addAll(dropped));

addEventListener("popstate", () => open(threadOfAddress()));
addEventListener("offline", () => status.lost());
addEventListener("online", () => {
  if (monitor.state === "idle") status.found();
  monitor.replace();
  conversation.resendUnreached();
  lookout.look();
});
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState !== "visible") return;
  session.look();
  monitor.wake();
  lookout.look();
  library.refresh();
});
// A window beside this one is left without being hidden.
addEventListener("focus", () => session.look());

wireTheme(element("theme"));
// First: it may throw away what is not this person's.
session.begin();
open(threadOfAddress());
composer.focus();
library.refresh().then(() => {
  showTurns();
  if (library.isStale) lookout.look();
});
