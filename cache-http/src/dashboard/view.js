// What the page shows of the answers. Nothing is asked for and nothing is changed here.

import { Chart, POWERS, RATIO } from "./charts.js";
import { $, Kept, arrange, h, say } from "./dom.js";
import { ago, bytes, count, percent, rate, time, wholePercent } from "./format.js";

const TROUBLE = {
  unavailable: "cannot be reached",
  timeout: "does not answer in time",
  denied: "refuses our credentials",
  full: "has no room",
  config: "is not set up as it should be",
};

export class View {
  #figures = new Kept();
  #functions = new Kept();
  #facts = new Map();
  #events = new Kept();
  #noticed = "";
  #charts = null;

  /** Shows all that changes from one answer to the next. */
  show(stats, health, history) {
    say($("namespace"), health.namespace);
    this.notices(noticesOf(health));
    this.figures(stats, history);
    this.charts(history);
    this.functions(stats.functions ?? []);
    this.stores(stats, health);
    this.recent(stats.recent_invalidations);
  }

  notices(notices) {
    const noticed = JSON.stringify(notices);
    if (noticed === this.#noticed) return;
    this.#noticed = noticed;
    $("notices").replaceChildren(...notices.map(({ bad, title, text }) =>
      h("div", { class: bad ? "notice bad" : "notice" },
        h("span", { class: "sign", "aria-hidden": "true" }, bad ? "✕" : "!"),
        h("p", {}, h("strong", {}, title), text))));
  }

  figures(stats, history) {
    const { ratio, requests, loads } = history.lastMinute();
    const saved = (stats.functions ?? []).reduce((sum, one) => sum + one.time_saved_seconds, 0);
    const figures = [
      ["Hit ratio", ratio === null ? "–" : percent(ratio), `${percent(stats.hit_ratio)} since the start`],
      ["Requests", requests === null ? "–" : `${rate(requests)} /s`, `${count(stats.total_requests)} since the start`],
      ["Loads", loads === null ? "–" : `${rate(loads)} /s`, failed(stats)],
      ["Time saved", time(Math.max(saved, 0)), "by hits, since the start"],
      ["Entries", count(stats.db_size), `${count(stats.evictions)} evicted for room`],
      ["Memory", stats.bytes > 0 ? bytes(stats.bytes) : "–", stats.bytes > 0 ? "estimated" : "not bounded by bytes"],
    ];
    const make = ([name]) => {
      const [value, unit, note] = [h("span"), h("span", { class: "unit" }), h("dd", { class: "note" })];
      const root = h("div", { class: "figure" }, h("dt", {}, name), h("dd", { class: "value" }, value, unit), note);
      return { root, value, unit, note };
    };
    const update = (made, [, value, note]) => {
      const [number, ...unit] = value.split(" ");
      say(made.value, number);
      say(made.unit, unit.join(" "));
      say(made.note, note);
    };
    arrange($("figures"), this.#figures.each(figures, ([name]) => name, make, update));
  }

  charts(history) {
    this.#charts ??= [
      new Chart($("ratio-chart"), {
        label: "Hit ratio",
        scale: RATIO,
        write: percent,
        mark: wholePercent,
        empty: "No lookups yet",
        series: [{ name: "hits of all lookups", value: (point) => point.ratio, area: true }],
      }),
      new Chart($("latency-chart"), {
        label: "Latency",
        scale: POWERS,
        write: time,
        mark: time,
        empty: "No hits and no loads yet",
        series: [
          { name: "hit, median", value: (point) => point.hits },
          { name: "99 of 100", value: (point) => point.slowHits, faint: true },
          { name: "load, median", value: (point) => point.loads, second: true },
          { name: "99 of 100", value: (point) => point.slowLoads, second: true, faint: true },
        ],
      }),
    ];
    const now = Date.now();
    this.#charts.forEach((chart) => chart.draw(history.points, now, history.span(now)));
  }

  functions(functions) {
    if (functions.length === 0) {
      $("functions").replaceChildren(h("p", { class: "empty" }, "No cached function has been called yet."));
      return;
    }
    let body = $("functions").querySelector("tbody");
    if (!body) {
      const head = ["Function", "Time saved", "Hit ratio", "Hits", "Misses", "Hit", "Load", "Load, 99 of 100", "Failed loads"];
      const cells = head.map((name, at) => h("th", { scope: "col", class: at > 0 ? "number" : undefined }, name));
      body = h("tbody");
      $("functions").replaceChildren(h("table", { class: "stack" },
        h("caption", { class: "unseen" }, "Cached functions by the time they save"), h("thead", {}, h("tr", {}, ...cells)), body));
    }
    const sorted = [...functions].sort((a, b) => b.time_saved_seconds - a.time_saved_seconds);
    const most = Math.max(sorted[0].time_saved_seconds, 1e-9);
    const rows = this.#functions.each(sorted, (one) => `${one.module}\n${one.function}\n${one.template}`, rowOf, (row, one) => {
      const saved = Math.max(one.time_saved_seconds, 0);
      row.bar.style.width = `${(100 * saved) / most}%`;
      const known = (times, which) => (times && times.count > 0 ? time(times[which]) : "–");
      const values = [
        time(saved), percent(one.hit_ratio), count(one.hits), count(one.misses), known(one.hit_times, "p50_seconds"),
        known(one.load_times, "p50_seconds"), known(one.load_times, "p99_seconds"), count(one.load_errors),
      ];
      row.cells.forEach((cell, at) => say(cell, values[at]));
      row.cells.at(-1).className = one.load_errors > 0 ? "attention" : "";
    });
    arrange(body, rows);
  }

  stores(stats, { remote }) {
    const own = remote?.hearing.mode === "remote_only" ? [] : [{
      key: "own",
      name: "In this process",
      state: "well",
      word: "Live values",
      facts: [
        ["Entries", count(stats.entries)],
        ["Memory", stats.bytes > 0 ? bytes(stats.bytes) : "–"],
        ["Hits", count(stats.local_hits)],
        ["Evicted for room", count(stats.evictions)],
        ["Expired", count(stats.expirations)],
        ["Given up as doubtful", times(stats.distrusts)],
      ],
    }];
    const shared = remote ? [remoteStore(stats, remote)] : [];
    const stores = [...own, ...shared];
    const shape = JSON.stringify(stores.map(({ key, facts }) => [key, ...facts.map(([name]) => name)]));
    if ($("stores").dataset.shape !== shape) {
      $("stores").dataset.shape = shape;
      this.#facts.clear();
      $("stores").replaceChildren(...stores.map((store) => this.#storeOf(store)));
      if (!remote) $("stores").append(h("p", { class: "hint" }, "There is no remote store: values are not shared between processes."));
    }
    for (const { key, state, word, facts } of stores) {
      const made = this.#facts.get(key);
      made.title.dataset.state = state;
      say(made.word, word);
      facts.forEach(([, value, attention], at) => {
        say(made.values[at], value);
        made.values[at].className = attention ? "attention" : "";
      });
    }
  }

  #storeOf({ key, name, facts }) {
    const word = h("span", { class: "word" });
    const title = h("h3", {}, h("span", { class: "mark", "aria-hidden": "true" }), name, word);
    const values = facts.map(() => h("dd"));
    this.#facts.set(key, { title, word, values });
    const list = facts.map(([label], at) => h("div", {}, h("dt", {}, label), values[at]));
    return h("div", { class: "store" }, title, h("dl", { class: "facts" }, ...list));
  }

  recent(events) {
    if (events.length === 0) {
      $("recent").replaceChildren(h("p", { class: "empty" }, "Nothing has been invalidated yet."));
      return;
    }
    let list = $("recent").querySelector("ul");
    if (!list) {
      list = h("ul", { class: "events" });
      $("recent").replaceChildren(h("div", { class: "scroll", tabindex: "0", role: "region", "aria-labelledby": "recent-title" }, list));
    }
    const make = () => {
      const [when, templates, more, who] = ["when", "", "more", "who"].map((name) => h("span", { class: name }));
      return { root: h("li", {}, when, h("span", { class: "what" }, templates, more), who), when, templates, more, who };
    };
    arrange(list, this.#events.each(events.map((event, at) => [at, event]), ([at]) => at, make, (made, [, event]) => {
      say(made.when, ago(event.seconds_ago));
      say(made.templates, event.reached.length > 0 ? event.reached.join(", ") : "no declared key");
      made.templates.className = event.reached.length > 0 ? "code" : "";
      say(made.more, event.scopes > 1 ? ` · ${count(event.scopes)} targets` : "");
      say(made.who, event.source === "here" ? "here" : "another process");
    }));
  }

  /** Shows the declared keys. `invalidate` is called with a template, to invalidate what it covers. */
  keys(keys, invalidate) {
    if (keys.length === 0) {
      $("keys").replaceChildren(h("p", { class: "empty" }, "This program declares no cached function that can be listed."));
      return;
    }
    $("keys").replaceChildren(h("ul", { class: "keys" }, ...keys.map((key) => keyOf(key, invalidate))));
  }
}

function failed({ loads, load_errors: errors }) {
  return errors > 0 ? `${count(errors)} of ${count(loads)} failed` : `${count(loads)}, none failed`;
}

function times(number) {
  return number === 1 ? "once" : number === 0 ? "never" : `${count(number)} times`;
}

function noticesOf({ enabled, remote }) {
  const notices = [];
  const owed = remote?.owed_invalidations ?? 0;
  const debt = owed > 0
    ? ` It is owed ${owed === 1 ? "one invalidation" : `${count(owed)} invalidations`}, and is told before it is used again.`
    : "";
  if (!enabled) {
    notices.push({ title: "The cache is turned off", text: "Functions run their bodies and nothing is stored. Invalidations work all the same." });
  }
  if (remote && !remote.reachable) {
    const text = `Values are loaded and kept in this process, and not shared.${debt}`;
    notices.push({ bad: true, title: `The remote store ${TROUBLE[remote.trouble] ?? "does not work as it should"}`, text });
  } else if (remote?.breaker_open) {
    notices.push({ title: "The remote store is being left alone", text: `It failed too often, and is asked again soon.${debt}` });
  } else if (owed > 0) {
    notices.push({ title: "The remote store has not been told everything yet", text: debt.trim() });
  }
  const troubled = (remote?.nodes ?? []).filter((node) => !node.reachable).length;
  if (troubled > 0) {
    notices.push({ bad: true, title: `${count(troubled)} of ${count(remote.nodes.length)} servers cannot be used`, text: "What the others have is shared all the same." });
  }
  return notices;
}

function remoteStore(stats, remote) {
  const known = (value, write) => (value === null || value === undefined ? "–" : write(value));
  const hearing = {
    feed: () => `follows the log, ${time(Math.max(remote.hearing.lag_seconds, 0))} behind`,
    floor_only: () => "hears nothing, goes by age",
    remote_only: () => "keeps nothing to go stale",
  };
  const facts = [
    ["Round trip", known(remote.round_trip_seconds, time)],
    ["Breaker", remote.breaker_open ? "open: left alone" : "closed: in use", remote.breaker_open],
    ["Owed invalidations", count(remote.owed_invalidations), remote.owed_invalidations > 0],
    ["Coherence", hearing[remote.hearing.mode](), remote.hearing.mode === "floor_only"],
    ["Under way", `${count(remote.in_flight)} of ${count(remote.room)}`],
    ["Hits", count(stats.remote_hits)],
    ["Errors, timeouts", `${count(stats.remote_errors)}, ${count(stats.remote_timeouts)}`],
    ["Skipped", count(stats.remote_skipped)],
    ["Keys in the server", known(remote.keys, count)],
    ["Memory of the server", known(remote.used_memory_bytes, bytes)],
    ["Version", known(remote.server_version, String)],
    ["Breaker opened", times(stats.breaker_openings)],
    ...remote.nodes.map((node) => [node.address, node.reachable ? "answers" : "cannot be used", !node.reachable]),
  ];
  const word = remote.reachable ? (remote.breaker_open ? "Left alone" : "Answers") : "Does not answer";
  const state = remote.reachable ? (remote.breaker_open ? "degraded" : "well") : "lost";
  return { key: "remote", name: "Remote store", state, word, facts };
}

function rowOf(one) {
  const bar = h("span");
  const labels = ["Time saved", "Hit ratio", "Hits", "Misses", "Hit", "Load", "Load, 99 of 100", "Failed loads"];
  const cells = labels.map(() => h("span"));
  const columns = cells.map((cell, at) => h("td", { class: "number", "data-label": labels[at] },
    at === 0 ? h("span", { class: "saved" }, h("span", { class: "bar", "aria-hidden": "true" }, bar), cell) : cell));
  const name = h("th", { scope: "row" },
    h("span", { class: "name", translate: "no" }, one.function), h("span", { class: "under code", translate: "no" }, one.template));
  return { root: h("tr", {}, name, ...columns), bar, cells };
}

function keyOf(key, invalidate) {
  const facts = [
    `${key.module}::${key.function}`,
    key.ttl_seconds === null ? "time to live computed or by default" : `kept ${time(key.ttl_seconds)}`,
    key.stale_seconds === null ? null : `then stale for ${time(key.stale_seconds)}`,
    key.cache === null ? null : `in ${key.cache}`,
  ];
  const tags = key.tags.length === 0 ? null
    : h("p", { class: "facts-line" }, "tagged ", h("span", { class: "code", translate: "no" }, key.tags.join(", ")));
  const how = { key: "key", tag: "tag", function: "function" };
  const edges = key.invalidated_by.map((by) => h("li", {},
    h("span", { class: "arrow", "aria-hidden": "true" }, "←"),
    h("span", {}, h("span", { class: "name", translate: "no" }, by.function), " ",
      h("span", { class: "target" }, `${how[by.by]} `, h("span", { class: "code", translate: "no" }, by.target)))));
  const none = h("p", { class: "facts-line" }, key.ttl_seconds === null ? "No function invalidates it." : "No function invalidates it; it only expires.");
  const button = h("button", { type: "button", class: "small", "aria-label": `Invalidate ${key.template}…`, onclick: () => invalidate(key.template) }, "Invalidate…");
  return h("li", {},
    h("div", {}, h("p", { class: "template code", translate: "no" }, key.template), h("p", { class: "facts-line" }, facts.filter(Boolean).join(" · ")), tags),
    edges.length > 0 ? h("ul", { class: "edges", "aria-label": "invalidated by" }, ...edges) : none,
    button);
}
