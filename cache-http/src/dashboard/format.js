// How numbers and times are written: short, and always in the same width.

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const compact = new Intl.NumberFormat("en", { notation: "compact", minimumFractionDigits: 1, maximumFractionDigits: 1 });

/** A count: exact below a hundred thousand. */
export function count(value) {
  return value < 100_000 ? whole.format(value) : compact.format(value);
}

/** A rate per second. */
export function rate(value) {
  return value === 0 || value >= 10 ? count(value) : value.toFixed(1);
}

export function percent(ratio) {
  return `${(100 * ratio).toFixed(ratio > 0 && ratio < 1 ? 1 : 0)} %`;
}

/** The same for the marks of a scale, which are whole. */
export function wholePercent(ratio) {
  return `${Math.round(100 * ratio)} %`;
}

/** A time in seconds, with the unit that suits it. */
export function time(seconds) {
  const units = [[1e-6, 1e-9, "ns"], [1e-3, 1e-6, "µs"], [1, 1e-3, "ms"], [120, 1, "s"], [7_200, 60, "min"], [172_800, 3_600, "h"]];
  const [, size, unit] = units.find(([limit]) => Math.abs(seconds) < limit) ?? [0, 86_400, "d"];
  const value = seconds / size;
  if (value === 0) return "0 s";
  const digits = Math.abs(value) >= 100 || Number.isInteger(value) ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return `${value.toFixed(digits)} ${unit}`;
}

export function bytes(value) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 || value >= 100 ? value.toFixed(0) : value.toFixed(1)} ${units[unit]}`;
}

/** How long ago something was. */
export function ago(seconds) {
  if (seconds < 1) return "just now";
  if (seconds < 60) return `${Math.floor(seconds)} s ago`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min ago`;
  return seconds < 86_400 ? `${Math.floor(seconds / 3_600)} h ago` : `${Math.floor(seconds / 86_400)} d ago`;
}

/** The time of day, of a moment in milliseconds. */
export function clock(at) {
  return new Date(at).toLocaleTimeString("en", { hourCycle: "h23" });
}
