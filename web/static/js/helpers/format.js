// Numbers, sizes, durations and dates for people. Pure; the language is the browser's.

const numberFormat = new Intl.NumberFormat(undefined, { maximumFractionDigits: 6 });
const compactFormat = new Intl.NumberFormat(undefined, { notation: "compact", maximumFractionDigits: 1 });

export function formatNumber(value) {
  return numberFormat.format(value);
}

/** Short form for axes: 412,380 becomes 412.4K. */
export function formatCompact(value) {
  return Math.abs(value) < 10_000 ? numberFormat.format(value) : compactFormat.format(value);
}

/** "1 tool call", "3 tool calls". */
export function count(number, noun) {
  return `${formatNumber(number)} ${noun}${number === 1 ? "" : "s"}`;
}

export function formatBytes(bytes) {
  const units = ["B", "KB", "MB", "GB"];
  let size = bytes;
  let unit = 0;
  for (; size >= 1_000 && unit < units.length - 1; unit += 1) size /= 1_000;
  return `${size >= 10 || unit === 0 ? Math.round(size) : size.toFixed(1)} ${units[unit]}`;
}

/** 7 ms · 0.4 s · 12 s · 3 min 5 s. */
export function formatDuration(ms) {
  if (ms < 100) return `${Math.max(0, Math.round(ms))} ms`;
  if (ms < 9_950) return `${(ms / 1_000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1_000);
  if (seconds < 60) return `${seconds} s`;
  const rest = seconds % 60;
  return rest === 0 ? `${Math.floor(seconds / 60)} min` : `${Math.floor(seconds / 60)} min ${rest} s`;
}

/** Whole seconds, for a duration that is still growing. */
export function formatRunningTime(ms) {
  return formatDuration(Math.floor(Math.max(0, ms) / 1_000) * 1_000 || 0)
    .replace(/^0 ms$/, "0 s")
    .replace(/\.0 s$/, " s");
}

/** How long something is still there: 2 days · 1 day 3 h · 5 h 2 min · 9 min 12 s · 8 s. */
export function formatRemaining(ms) {
  const seconds = Math.max(0, Math.ceil(ms / 1_000));
  const [days, hours, minutes] = [86_400, 3_600, 60].map((size) => Math.floor(seconds / size));
  if (days > 1) return count(days, "day");
  if (days === 1) return joinUnits("1 day", hours % 24, "h");
  if (hours > 0) return joinUnits(`${hours} h`, minutes % 60, "min");
  return minutes > 0 ? joinUnits(`${minutes} min`, seconds % 60, "s") : `${seconds} s`;
}

function joinUnits(first, rest, unit) {
  return rest === 0 ? first : `${first} ${rest} ${unit}`;
}

/** Heading under which a thread is listed. */
export function dayGroup(at, now = Date.now()) {
  const startOfToday = new Date(now).setHours(0, 0, 0, 0);
  const day = 86_400_000;
  if (at >= startOfToday) return "Today";
  if (at >= startOfToday - day) return "Yesterday";
  if (at >= startOfToday - 7 * day) return "Previous 7 days";
  return "Older";
}

/** Markdown as one plain line: what agents write to each other, where there is no room for its form. */
export function plainLine(text) {
  return text
    .replace(/\*\*|`/g, "")
    .replace(/^\s*#+\s+|\s#{1,6}\s|\|(\s*:?-+:?\s*\|)*/g, " ")
    .replace(/\s+/g, " ")
    .trim();
}

/** One line of at most `length` characters. */
export function shorten(text, length) {
  const line = text.replace(/\s+/g, " ").trim();
  return line.length <= length ? line : `${line.slice(0, length - 1).trimEnd()}…`;
}
