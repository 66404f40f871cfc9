// The last minutes, from the differences of what a cache has counted.

/** How far back the charts go, in milliseconds: as soon as there is enough to show, further. */
const SPANS = [60_000, 2 * 60_000, 5 * 60_000];
const LONGEST = SPANS.at(-1);

export class History {
  points = [];
  #before = null;

  clear() {
    this.points = [];
    this.#before = null;
  }

  span(now) {
    const age = now - (this.points[0]?.at ?? now);
    return SPANS.find((span) => age <= span) ?? LONGEST;
  }

  /** Nothing is known of this moment. */
  gap(at) {
    this.points.push({ at, ratio: null, hits: null, slowHits: null, loads: null, slowLoads: null, rate: null });
    this.#forget(at);
  }

  /** What `stats` say at `at`, in milliseconds. */
  add(at, stats) {
    const before = this.#before;
    this.#before = { at, stats };
    this.#forget(at);
    if (before === null) return;
    const since = (name) => stats[name] - before.stats[name];
    const [hits, misses, loads] = [since("hits"), since("misses"), since("loads")];
    if (hits < 0 || misses < 0 || loads < 0) {
      // It counts from the start: another process, or the same one restarted.
      this.points = [];
      return;
    }
    const seconds = Math.max((at - before.at) / 1_000, 0.001);
    const hitTimes = added(stats.hit_times, before.stats.hit_times);
    const loadTimes = added(stats.load_times, before.stats.load_times);
    this.points.push({
      at,
      ratio: hits + misses > 0 ? hits / (hits + misses) : null,
      rate: (hits + misses) / seconds,
      seconds,
      found: hits,
      requests: hits + misses,
      loaded: loads,
      hits: quantile(hitTimes, 0.5),
      slowHits: quantile(hitTimes, 0.99),
      loads: quantile(loadTimes, 0.5),
      slowLoads: quantile(loadTimes, 0.99),
    });
  }

  /** Averages of the last minute: the hit ratio, and requests and loads a second. Nothing, where nothing is known. */
  lastMinute() {
    const last = this.points.filter((point) => point.rate !== null && point.at > (this.points.at(-1)?.at ?? 0) - 60_000);
    const sum = (name) => last.reduce((sum, point) => sum + point[name], 0);
    const [seconds, requests] = [sum("seconds"), sum("requests")];
    if (seconds === 0) return { ratio: null, requests: null, loads: null };
    return { ratio: requests > 0 ? sum("found") / requests : null, requests: requests / seconds, loads: sum("loaded") / seconds };
  }

  #forget(at) {
    this.points = this.points.filter((point) => point.at > at - LONGEST);
  }
}

/** What came into each bucket: pairs of an upper bound in seconds and a count. */
function added(now, before) {
  if (!now || !before) return [];
  const known = new Map(before.buckets);
  return now.buckets.map(([bound, count]) => [bound, count - (known.get(bound) ?? 0)]).filter(([, count]) => count > 0);
}

/** The bound that a share of `share` is below, or nothing if there was none. */
function quantile(buckets, share) {
  const total = buckets.reduce((sum, [, count]) => sum + count, 0);
  let seen = 0;
  for (const [bound, count] of buckets) {
    seen += count;
    if (seen >= share * total) return bound;
  }
  return null;
}
