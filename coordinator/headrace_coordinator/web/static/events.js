// Events as the fields of their lines, as headrace_coordinator.web.filters writes them.

import { count } from "./format.js";

/** So many workers in a row that come or go are shown each. */
const WORKERS_IN_ROW = 3;

const STATES = {
  "job-submitted": "queued",
  "job-started": "running",
  "job-succeeded": "succeeded",
  "job-failed": "failed",
  "job-cancelled": "cancelled",
  "job-retried": "running",
  "job-deleted": "cancelled",
  "job-expired": "cancelled",
  "task-failed": "failed",
  "worker-joined": "succeeded",
  "worker-left": "cancelled",
  "worker-silent": "silent",
  "worker-draining": "draining",
  "work-waits": "draining",
};

export function eventFields(event) {
  const href = event.job ? `/jobs/${encodeURIComponent(event.job)}` : event.worker ? `/workers/${encodeURIComponent(event.worker)}` : "";
  return {
    at: event.at,
    kind: event.kind.replaceAll("-", " "),
    state: STATES[event.kind] ?? "",
    subject: event.job ? event.job.slice(0, 12) : event.worker,
    href,
    text: event.text,
  };
}

/**
 * Events of which one does for several: of the failed tasks of a job the newest alone, and of many
 * workers in a row that come or go, too.
 */
export function condense(events, most) {
  const seen = new Set();
  const found = [];
  for (let place = 0; place < events.length && found.length < most; ) {
    const event = events[place];
    let end = place + 1;
    if (event.kind.startsWith("worker-")) {
      while (end < events.length && events[end].kind === event.kind) end += 1;
    }
    const many = end - place;
    if (many > WORKERS_IN_ROW) {
      found.push({ ...event, text: `${event.text}, and ${count(many - 1)} more workers` });
    } else if (event.kind !== "task-failed" || !seen.has(event.job)) {
      found.push(...events.slice(place, end));
    }
    if (event.kind === "task-failed") seen.add(event.job);
    place = end;
  }
  return found.slice(0, most);
}

/** What to ask a stream for: events past those that are known, or so many of the newest. */
export function past(events, last) {
  return events.length ? { cursor: events[0].number } : { last };
}

/** The newest events first, without those that are there already, `most` of them. */
export function join(known, page, most) {
  const last = known.length ? known[0].number : -1;
  const fresh = page.events.filter((event) => event.number > last);
  return [...fresh.reverse(), ...known].slice(0, most);
}
