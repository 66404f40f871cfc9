// What can be changed from the page: each change says what it reaches, and waits for a yes.

import { Refused } from "./connection.js";
import { $, h, say } from "./dom.js";

const KINDS = {
  key: { label: "Key", hint: "One entry, as it is stored: user:42" },
  pattern: { label: "Pattern", hint: "Every key that matches; * stands for anything: user:*" },
  tag: { label: "Tag", hint: "Every entry with this tag, and those of tags that depend on it" },
};

/**
 * Connects the controls. `changed` is called after a change, `refused` when the token is no longer known. Gives what the
 * rest of the page calls: `ofTemplate` to invalidate what a template covers, `enabled` to say whether the cache is on.
 */
export function setUpActions(connection, { changed, refused }) {
  let isEnabled = true;

  /** Asks for a yes, and does `run` then. */
  function confirm({ title, body, yes, run }) {
    say($("confirm-title"), title);
    $("confirm-body").replaceChildren(...body);
    say($("confirm-error"), "");
    say($("confirm-yes"), yes);
    $("confirm-yes").disabled = false;
    $("confirm-yes").onclick = async () => {
      $("confirm-yes").disabled = true;
      try {
        say($("outcome"), await run());
        $("confirm").close();
        changed();
      } catch (error) {
        $("confirm-yes").disabled = false;
        failed(error, $("confirm-error"));
      }
    };
    $("confirm").showModal();
  }

  function failed(error, place) {
    if (error instanceof Refused && error.status === 401) {
      $("confirm").close();
      refused();
    } else {
      say(place, error instanceof Refused ? `Not done: ${error.message}.` : "Not done, or not known: the service did not answer.");
    }
  }

  async function invalidate(kind, text) {
    say($("outcome"), "");
    let reaches;
    try {
      ({ reaches } = await connection.post("invalidate", { [kind]: text, preview: true }));
    } catch (error) {
      failed(error, $("outcome"));
      return;
    }
    confirm({
      title: `Invalidate the ${kind} ${text}?`,
      body: [h("p", {}, "What was stored before is not served again: here from now on, and in other processes as soon as they hear of it. The next calls load anew."), ...reached(reaches)],
      yes: "Invalidate",
      run: async () => told(`Invalidated the ${kind} ${text}.`, await connection.post("invalidate", { [kind]: text })),
    });
  }

  function kind() {
    return new FormData($("invalidate")).get("kind");
  }

  function showKind() {
    say($("target-label"), KINDS[kind()].label);
    say($("target-hint"), KINDS[kind()].hint);
  }

  $("invalidate").addEventListener("change", showKind);
  $("invalidate").addEventListener("submit", (event) => {
    event.preventDefault();
    const text = $("target").value.trim();
    if (text) invalidate(kind(), text);
  });
  showKind();

  $("clear").addEventListener("click", () => confirm({
    title: "Clear everything?",
    body: [h("p", {}, "Every entry of this namespace is invalidated, in all processes. Every function loads anew, all at about the same time.")],
    yes: "Clear everything",
    run: async () => told("Cleared everything.", await connection.post("clear", {})),
  }));

  $("toggle").addEventListener("click", () => confirm({
    title: isEnabled ? "Turn the cache off?" : "Turn the cache on?",
    body: [h("p", {}, isEnabled
      ? "In this process every function runs its body and nothing is stored, until the cache is turned on again."
      : "Functions use the cache again, and what it still holds.")],
    yes: isEnabled ? "Turn off" : "Turn on",
    run: async () => ((await connection.post("enabled", { enabled: !isEnabled })).enabled ? "The cache is on." : "The cache is off."),
  }));

  $("confirm-no").addEventListener("click", () => $("confirm").close());

  return {
    ofTemplate: (template) => {
      const pattern = template.replace(/<[^>]*>/g, "*");
      return invalidate(pattern.includes("*") ? "pattern" : "key", pattern);
    },
    enabled(enabled) {
      isEnabled = enabled;
      say($("toggle"), enabled ? "Turn the cache off…" : "Turn the cache on…");
    },
  };
}

function reached(templates) {
  if (templates.length === 0) return [h("p", {}, "No declared key is reached. Entries stored by hand may be.")];
  return [h("p", {}, "It can reach entries of"), h("ul", {}, ...templates.map((template) => h("li", { class: "code", translate: "no" }, template)))];
}

function told(done, { delivered, reaches }) {
  const where = reaches.length > 0 ? ` Reached: ${reaches.join(", ")}.` : "";
  const owed = delivered ? "" : " It holds in this process; the remote store does not answer, and is told before it is used again.";
  return done + where + owed;
}
