// Charts of the last minutes: lines over time with gaps where nothing is known, as SVG.
// What the numbers mean is not known here, but for how they are written.

const NS = "http://www.w3.org/2000/svg";

function svg(name, attributes = {}, text) {
  const element = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  return element;
}

/** A scale up to 1: from 0, or from a half or nine tenths where all that is shown is above that. */
export const RATIO = {
  range: (values) => [[0.9, 0.5].find((low) => values.length > 0 && Math.min(...values) >= low) ?? 0, 1],
  place: (value, [low, high]) => (value - low) / (high - low),
  ticks: ([low]) => (low === 0 ? [0, 0.25, 0.5, 0.75, 1] : [0, 1, 2, 3, 4, 5].map((step) => low + (step * (1 - low)) / 5)),
};

/** A scale of powers of ten around what is shown, for times. */
export const POWERS = {
  range(values) {
    const shown = values.filter((value) => value > 0);
    if (shown.length === 0) return [1e-6, 1e-2];
    const low = Math.floor(Math.log10(Math.min(...shown)));
    const high = Math.max(low + 2, Math.ceil(Math.log10(Math.max(...shown)) + 0.05));
    return [10 ** low, 10 ** high];
  },
  place: (value, [low, high]) =>
    (Math.log10(Math.max(value, low)) - Math.log10(low)) / (Math.log10(high) - Math.log10(low)),
  ticks([low, high]) {
    const ticks = [];
    for (let power = Math.round(Math.log10(low)); power <= Math.round(Math.log10(high)); power += 1) ticks.push(10 ** power);
    const every = Math.ceil((ticks.length - 1) / 5);
    return ticks.filter((_, at) => at % every === 0);
  },
};

/**
 * One chart in `place`. `series` are `{ name, value(point), second, faint, area }`, `write` turns a value into text,
 * `mark` one of the scale, and `empty` is what stands there before anything is known.
 */
export class Chart {
  constructor(place, { label, scale, series, write, mark, empty }) {
    Object.assign(this, { place, label, scale, series, write, mark, empty });
    this.points = [];
    this.now = 0;
    this.span = 1;
    this.cursor = null;
    this.picture = svg("svg", { role: "img", tabindex: "0" });
    this.legend = document.createElement("ul");
    this.legend.className = "legend";
    this.values = series.map((one) => this.#legendOf(one));
    this.when = document.createElement("li");
    this.when.className = "when";
    this.legend.append(this.when);
    place.append(this.picture, this.legend);
    this.picture.addEventListener("pointermove", (event) => this.#point(event));
    this.picture.addEventListener("pointerleave", () => this.#move(null));
    this.picture.addEventListener("blur", () => this.#move(null));
    this.picture.addEventListener("keydown", (event) => this.#key(event));
    new ResizeObserver(() => this.draw(this.points, this.now, this.span)).observe(place);
  }

  /** Shows `points`, each with a time `at` in milliseconds, from `span` before `now` on. */
  draw(points, now, span) {
    Object.assign(this, { points, now, span });
    const width = Math.max(this.picture.clientWidth, 200);
    const height = Math.max(this.picture.clientHeight, 120);
    this.box = { left: 52, right: width - 8, top: 10, bottom: height - 24, width, height };
    this.picture.setAttribute("viewBox", `0 0 ${width} ${height}`);
    const values = points.flatMap((point) => this.series.map((one) => one.value(point))).filter((value) => value !== null);
    this.limits = this.scale.range(values);
    this.picture.replaceChildren(...this.#frame());
    if (values.length === 0) {
      const { left, right, top, bottom } = this.box;
      const middle = { x: (left + right) / 2, y: (top + bottom) / 2, "text-anchor": "middle" };
      this.picture.append(svg("text", middle, this.empty));
    }
    for (const one of this.series) this.#draw(one);
    this.#say();
  }

  #x(at) {
    const { left, right } = this.box;
    return right - ((this.now - at) / this.span) * (right - left);
  }

  #y(value) {
    const { top, bottom } = this.box;
    return bottom - this.scale.place(value, this.limits) * (bottom - top);
  }

  #frame() {
    const { left, right, bottom, height } = this.box;
    const parts = [];
    for (const tick of this.scale.ticks(this.limits)) {
      const y = Math.round(this.#y(tick)) + 0.5;
      parts.push(svg("line", { class: "grid", x1: left, x2: right, y1: y, y2: y }));
      parts.push(svg("text", { x: left - 8, y: y + 4, "text-anchor": "end" }, this.mark(tick)));
    }
    const step = [15_000, 30_000, 60_000, 120_000, 300_000].find((step) => (step / this.span) * (right - left) > 64) ?? this.span;
    for (let back = 0; back <= this.span; back += step) {
      const anchor = back === 0 ? "end" : back === this.span ? "start" : "middle";
      const text = back === 0 ? "now" : back % 60_000 === 0 ? `−${back / 60_000} min` : `−${back / 1_000} s`;
      parts.push(svg("text", { x: this.#x(this.now - back), y: height - 4, "text-anchor": anchor }, text));
    }
    parts.push(svg("line", { class: "grid", x1: left, x2: right, y1: bottom + 0.5, y2: bottom + 0.5 }));
    return parts;
  }

  #draw(one) {
    const runs = [];
    let run = null;
    for (const point of this.points) {
      const value = one.value(point);
      if (value === null) {
        run = null;
        continue;
      }
      if (run === null) runs.push((run = []));
      run.push([this.#x(point.at), this.#y(value)]);
    }
    const written = ([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`;
    for (const run of runs) {
      // An area says how much there is only where it begins at nothing.
      if (one.area && this.limits[0] === 0 && run.length > 1) {
        const ends = [[run.at(-1)[0], this.box.bottom], [run[0][0], this.box.bottom]];
        this.picture.append(svg("polygon", { class: "area", points: [...run, ...ends].map(written).join(" ") }));
      }
      if (run.length > 1) {
        this.picture.append(svg("polyline", { class: classOf("line", one), points: run.map(written).join(" ") }));
      }
    }
    const last = runs.at(-1)?.at(-1);
    if (last && !one.faint) this.picture.append(mark(one, last[0], last[1], 4));
  }

  #legendOf(one) {
    const item = document.createElement("li");
    const sample = svg("svg", { viewBox: "0 0 28 12", "aria-hidden": "true" });
    sample.append(svg("polyline", { class: classOf("line", one), points: "0,6 28,6" }));
    if (!one.faint) sample.append(mark(one, 14, 6, 4));
    const value = document.createElement("b");
    item.append(sample, `${one.name} `, value);
    this.legend.append(item);
    return value;
  }

  /** Writes the values under the cursor, or the last ones, into the legend and for those who hear the page. */
  #say() {
    this.picture.querySelector(".cursor")?.remove();
    const point = this.points.find(({ at }) => at === this.cursor) ?? this.points.at(-1);
    if (!this.points.some(({ at }) => at === this.cursor)) this.cursor = null;
    if (this.cursor !== null) {
      const x = Math.round(this.#x(this.cursor)) + 0.5;
      this.picture.append(svg("line", { class: "cursor", x1: x, x2: x, y1: this.box.top, y2: this.box.bottom }));
    }
    const said = this.series.map((one, at) => {
      const value = point ? one.value(point) : null;
      const text = value === null ? "–" : this.write(value);
      if (this.values[at].textContent !== text) this.values[at].textContent = text;
      return `${one.name} ${value === null ? "unknown" : text}`;
    });
    const when = this.cursor === null ? "now" : `${Math.round((this.now - this.cursor) / 1000)} s ago`;
    if (this.when.textContent !== when) this.when.textContent = when;
    this.picture.setAttribute("aria-label", `${this.label}, ${when}: ${said.join(", ")}. Arrow keys go back in time.`);
  }

  #point(event) {
    const bounds = this.picture.getBoundingClientRect();
    const at = this.now - ((this.box.right - (event.clientX - bounds.left)) / (this.box.right - this.box.left)) * this.span;
    const nearest = this.points.reduce(
      (best, point) => (best === null || Math.abs(point.at - at) < Math.abs(best.at - at) ? point : best), null);
    this.#move(nearest?.at ?? null);
  }

  #key(event) {
    const steps = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10, Home: -Infinity, End: Infinity };
    const step = steps[event.key];
    if (event.key === "Escape") this.#move(null);
    if (step === undefined || this.points.length === 0) return;
    event.preventDefault();
    const last = this.points.length - 1;
    const found = this.points.findIndex(({ at }) => at === this.cursor);
    const to = Math.min(Math.max((found < 0 ? last : found) + step, 0), last);
    this.#move(this.points[to].at);
  }

  #move(cursor) {
    this.cursor = cursor;
    if (this.box) this.#say();
  }
}

function classOf(name, one) {
  return [name, one.second && "second", one.faint && "faint"].filter(Boolean).join(" ");
}

/** A circle for the first kind of line, a square for the second. */
function mark(one, x, y, radius) {
  return one.second
    ? svg("rect", { class: "point second", x: x - radius + 0.5, y: y - radius + 0.5, width: 2 * radius - 1, height: 2 * radius - 1 })
    : svg("circle", { class: "point", cx: x, cy: y, r: radius });
}
