// The page: who is signed in, when the cache is asked, and what is done with the answers.
// How the answers are shown is in `view.js`; what can be changed is in `act.js`.

import { Connection, Refused } from "./connection.js";
import { $, say } from "./dom.js";
import { clock } from "./format.js";
import { History } from "./history.js";
import { View } from "./view.js";
import { setUpActions } from "./act.js";

/** Between two questions, in milliseconds. */
const PAUSE = 2_000;
/** Between two while nobody answers, at most. */
const LONGEST_PAUSE = 10_000;

const connection = new Connection(new URL("./", import.meta.url));
const view = new View();
const history = new History();
const page = { timer: null, paused: false, failures: 0, asking: false, answered: null, generation: 0 };

function show(state, words) {
  $("state").dataset.state = state;
  say($("state").querySelector(".word"), words);
}

function signIn(message = "") {
  clearTimeout(page.timer);
  page.generation += 1;
  // An answer that is still on its way belongs to who has left.
  page.asking = false;
  connection.forget();
  history.clear();
  $("dashboard").hidden = true;
  $("controls").hidden = true;
  $("sign-in").hidden = false;
  say($("namespace"), "");
  document.title = "Cache";
  say($("token-error"), message);
  $("token").setAttribute("aria-invalid", String(message !== ""));
  $("token").value = "";
  $("token").focus();
}

async function enter() {
  const generation = page.generation;
  try {
    const { keys } = await connection.get("keys");
    if (generation !== page.generation) return;
    connection.remember();
    view.keys(keys, actions.ofTemplate);
    Object.assign(page, { paused: false, failures: 0, answered: null });
    $("sign-in").hidden = true;
    $("dashboard").hidden = false;
    $("controls").hidden = false;
    say($("pause"), "Pause");
    $("pause").setAttribute("aria-pressed", "false");
    say($("updated"), "");
    show("waiting", "Asking the cache");
    await ask();
  } catch (error) {
    if (generation === page.generation) signIn(reason(error));
  }
}

function reason(error) {
  if (error instanceof Refused && error.status === 401) return "This token is not known here.";
  if (error instanceof Refused && error.status === 403) return "You may not look at this cache.";
  return "The service does not answer. Try again in a moment.";
}

/** Asks for everything that changes, shows it, and sees to it that this happens again. */
async function ask() {
  clearTimeout(page.timer);
  if (page.asking) return;
  page.asking = true;
  const generation = page.generation;
  try {
    const [stats, health] = await Promise.all([connection.get("stats"), connection.get("health")]);
    if (generation !== page.generation) return;
    page.failures = 0;
    page.answered = Date.now();
    history.add(page.answered, stats);
    delete $("dashboard").dataset.old;
    view.show(stats, health, history);
    say($("updated"), `at ${clock(page.answered)}`);
    actions.enabled(health.enabled);
    document.title = `${health.healthy && health.enabled ? "" : "! "}${health.namespace || "Cache"} · cache`;
    if (!health.enabled) show("off", "Turned off");
    else if (!health.healthy) show("degraded", "Degraded");
    else show("well", "Well");
    if (page.paused) show("paused", "Paused");
  } catch (error) {
    if (generation !== page.generation) return;
    if (error instanceof Refused && (error.status === 401 || error.status === 403)) {
      signIn(reason(error));
      return;
    }
    lost();
  } finally {
    if (generation === page.generation) page.asking = false;
  }
  plan();
}

/** Nobody answers: what is shown is old, and says so. */
function lost() {
  page.failures += 1;
  history.gap(Date.now());
  $("dashboard").dataset.old = "";
  view.charts(history);
  const since = page.answered === null ? "" : ` since ${clock(page.answered)}`;
  view.notices([{
    bad: true,
    title: "No answer from the service",
    text: `What is shown is old: nothing was heard${since}. This page keeps asking.`,
  }]);
  document.title = "! no answer · cache";
  if (page.answered !== null) say($("updated"), `since ${clock(page.answered)}`);
  show("lost", "No answer");
}

function plan() {
  clearTimeout(page.timer);
  if (page.paused || document.hidden || $("dashboard").hidden) return;
  page.timer = setTimeout(ask, Math.min(PAUSE * 2 ** Math.min(page.failures, 3), page.failures ? LONGEST_PAUSE : PAUSE));
}

const actions = setUpActions(connection, { changed: ask, refused: () => signIn(reason(new Refused(401, ""))) });

$("sign-in").addEventListener("submit", (event) => {
  event.preventDefault();
  connection.use($("token").value.trim());
  enter();
});
$("leave").addEventListener("click", () => signIn());
$("pause").addEventListener("click", () => {
  page.paused = !page.paused;
  $("pause").setAttribute("aria-pressed", String(page.paused));
  say($("pause"), page.paused ? "Go on" : "Pause");
  if (page.paused) {
    clearTimeout(page.timer);
    show("paused", "Paused");
  } else {
    ask();
  }
});
document.addEventListener("visibilitychange", () => {
  if (document.hidden) clearTimeout(page.timer);
  else if (!page.paused && !$("dashboard").hidden) ask();
});

if (connection.recall()) enter();
else signIn();
