// Numbers, times and sizes for people. headrace_coordinator.web.display writes the same in Python,
// and a test compares the two.

// Of the characters, those that headrace_wire.bounds calls unprintable, without line breaks and tabs.
const UNPRINTABLE =
  /(?![\n\t])[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb\ufffe\uffff\u{e0000}-\u{e007f}]/gu;

const UNITS = [["d", 86400], ["h", 3600], ["min", 60]];

/**
 * A text that others made, fit to be shown: what turns a text around, or is no character, is written
 * as Python would, "\x1b". As headrace_wire.printing.clean_text.
 */
export function clean(text) {
  return text.replaceAll("\r\n", "\n").replace(UNPRINTABLE, (found) => {
    const code = found.codePointAt(0);
    if (found === "\r") return "\\r";
    const [letter, digits] = code < 0x100 ? ["x", 2] : code < 0x10000 ? ["u", 4] : ["U", 8];
    return `\\${letter}${code.toString(16).padStart(digits, "0")}`;
  });
}

/** Such as 1,234,567. */
export function count(number) {
  return Math.round(number).toLocaleString("en-US");
}

/** A number that is whole more often than not; one that is very large has an exponent. */
export function amount(number) {
  if (Math.abs(number) >= 1e15) return Number(number.toPrecision(6)).toExponential();
  return Number(number.toFixed(3)).toLocaleString("en-US", { maximumFractionDigits: 3 });
}

/** Such as 12.3k: for the axes of charts. */
export function short(number) {
  for (const [unit, size] of [["G", 1e9], ["M", 1e6], ["k", 1e3]]) {
    if (number >= size) return `${trim(number / size)}${unit}`;
  }
  return trim(number);
}

function trim(number) {
  return String(Number(number.toPrecision(3)));
}

/** Such as "1 task" or "2,000 tasks". */
export function things(number, one, several = `${one}s`) {
  return `${count(number)} ${number === 1 ? one : several}`;
}

/** Such as "450 ms", "12.3 s", "3 min 20 s", "2 h 05 min" or "3 d 4 h"; "" where it is unknown. */
export function duration(seconds) {
  if (seconds === null || seconds === undefined) return "";
  if (seconds < 0.0000005) return "0 s";
  if (seconds < 0.0009995) return `${(seconds * 1e6).toFixed(0)} µs`;
  if (seconds < 0.9995) return `${trim(seconds * 1e3)} ms`;
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  const rest = (size) => Math.floor((whole % size) / (size === 3600 ? 60 : size === 60 ? 1 : 3600));
  const two = (number) => String(number).padStart(2, "0");
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${two(rest(60))} s`;
  if (whole < 86400) return `${Math.floor(whole / 3600)} h ${two(rest(3600))} min`;
  return `${count(Math.floor(whole / 86400))} d ${rest(86400)} h`;
}

/** Such as "31.2 MB": powers of 1000. */
export function size(bytes) {
  for (const unit of ["B", "kB", "MB", "GB"]) {
    if (bytes < 1000) return unit === "B" ? `${bytes.toFixed(0)} B` : `${bytes.toFixed(1)} ${unit}`;
    bytes /= 1000;
  }
  return `${bytes.toFixed(1)} TB`;
}

/** Such as "3,412/s" or "0.42/s"; "" for none. */
export function rate(perSecond) {
  if (!perSecond) return "";
  if (perSecond >= 9.95) return `${count(perSecond)}/s`;
  if (perSecond >= 0.1) return `${trim(Number(perSecond.toFixed(1)))}/s`;
  if (perSecond * 60 >= 0.1) return `${trim(Number((perSecond * 60).toFixed(1)))}/min`;
  return `${trim(Number((perSecond * 3600).toFixed(1)))}/h`;
}

/** Such as "81 %"; 100 only where all is done, and 0 only where nothing is. */
export function percent(part, whole) {
  if (!whole) return "0 %";
  const share = (100 * part) / whole;
  if (part > 0 && share < 1) return "<1 %";
  return `${Math.floor(share)} %`;
}

/** How long ago that was, such as "5 min ago". */
export function age(at, now) {
  const seconds = Math.max(0, now - at);
  for (const [unit, length] of UNITS) {
    if (seconds >= 2 * length) return `${count(Math.floor(seconds / length))} ${unit} ago`;
  }
  return `${Math.floor(seconds)} s ago`;
}

/** A moment in the time zone of who looks, such as "2026-11-28 19:31:05". */
export function moment(at) {
  const date = new Date(at * 1000);
  const two = (number) => String(number).padStart(2, "0");
  const day = [date.getFullYear(), two(date.getMonth() + 1), two(date.getDate())].join("-");
  return `${day} ${clock(at)}`;
}

/** The time of day, such as "19:31:05". */
export function clock(at, seconds = true) {
  const date = new Date(at * 1000);
  const parts = [date.getHours(), date.getMinutes()];
  if (seconds) parts.push(date.getSeconds());
  return parts.map((number) => String(number).padStart(2, "0")).join(":");
}

/** Tasks [start, stop), such as "task 7" or "tasks 7 to 12". */
export function tasks(start, stop) {
  return stop - start === 1 ? `task ${count(start)}` : `tasks ${count(start)} to ${count(stop - 1)}`;
}
