// The row of figures on top of a page.

import { setAttribute, setText } from "./dom.js";
import { count, duration, rate, things } from "./format.js";

export function figure(id, value, note = undefined, tone = undefined) {
  const element = document.getElementById(id);
  setText(element, value);
  if (note !== undefined) setText(document.getElementById(`${id}-note`), note);
  if (tone !== undefined) setAttribute(element, "data-tone", tone || null);
}

/** What an overview says, as the figures of the page: { id: [value, note, tone] }. */
export function overviewFigures(over) {
  const idle = Math.max(0, over.slots - over.busy);
  return {
    slots: [`${count(over.busy)} of ${count(over.slots)}`, over.slots ? `${count(idle)} idle` : "no slots"],
    waiting: [count(over.waiting), `${count(over.leased)} leased${over.retrying ? `, ${count(over.retrying)} retrying` : ""}`],
    backlog: [duration(over.backlog_seconds)],
    done: [rate(over.done_per_second) || "0/s"],
    failed: [rate(over.failed_per_second) || "0/s", `${things(over.jobs.failed ?? 0, "failed job")}`, over.failed_per_second > 0 ? "bad" : ""],
    workers: [count(over.workers), over.draining ? `${count(over.draining)} draining` : "connected", over.workers ? "" : "warn"],
  };
}
