// Jobs and workers as the fields of their rows. headrace_coordinator.web.rows makes the same in
// Python, and a test compares the two.

import { count, duration, percent, rate, size, things } from "./format.js";

export const FINAL = new Set(["succeeded", "failed", "cancelled"]);

/** Seconds without a word after which a worker is called silent. */
export const SILENT_SECONDS = 15;

/** What a job is called: its name, or the function that it calls, or its operation. */
export function jobName(job) {
  return job.name || job.function || `${job.service} ${job.operation}`;
}

/** Why nothing runs, what cut a job short, or that only its summary is left. */
function describeStanding(job) {
  if (!FINAL.has(job.state)) return job.waiting_for;
  return [job.ended_because, job.expired ? "expired: its results are gone" : ""].filter(Boolean).join("; ");
}

/** The fields of a job. Its speed is that of late while it runs, and else that on the whole. */
export function jobFields(job) {
  const final = FINAL.has(job.state);
  const wall = job.wall_seconds ?? 0;
  const speed = final ? (wall > 0 ? job.done / wall : 0) : (job.done_per_second ?? 0);
  const left = job.sealed && speed > 0 && !final ? (job.tasks - job.done - job.failed) / speed : null;
  const kind = `${job.service} ${job.operation}`;
  const name = jobName(job);
  const about = [...new Set([job.function || kind, job.id.slice(0, 12)])].filter((word) => word !== name);
  const share = (number) => (job.tasks ? number / job.tasks : 0);
  return {
    href: `/jobs/${encodeURIComponent(job.id)}`,
    name,
    about: about.join(" · "),
    state: job.state,
    counted: `${count(job.done)} of ${count(job.tasks)}${job.sealed ? "" : " so far"}`,
    percent: job.sealed ? percent(job.done, job.tasks) : "",
    failed: job.failed ? `${count(job.failed)} failed` : "",
    rate: job.tasks > 1 ? rate(speed) : "",
    time: final ? (wall ? duration(wall) : "") : left !== null ? `${duration(left)} left` : wall ? duration(wall) : "",
    submitted: job.submitted_at,
    by: job.submitted_by,
    note: describeStanding(job),
    bar: [
      ["done", share(job.done)],
      ["dead", share(job.failed)],
      ["retrying", share(job.retrying)],
      ["leased", share(job.leased)],
      ["cancelled", share(job.cancelled)],
    ],
    progress: `${name}: ${things(job.tasks, "task")}, ${count(job.done)} done, ${count(job.failed)} failed`,
  };
}

/** What a worker does. */
export function workerState(worker) {
  if (worker.heard_seconds > SILENT_SECONDS) return "silent";
  if (worker.draining) return "draining";
  return worker.busy ? "busy" : "idle";
}

/** The fields of a worker. */
export function workerFields(worker) {
  const state = workerState(worker);
  return {
    href: `/workers/${encodeURIComponent(worker.id)}`,
    name: worker.name || worker.id,
    host: worker.host === worker.name ? "" : worker.host,
    state,
    status: state === "silent" ? `silent for ${duration(worker.heard_seconds)}` : state,
    slots: `${count(worker.busy)} of ${count(worker.slots)}`,
    cpu: (worker.cpu_percent / 100).toFixed(1),
    memory: size(worker.rss_bytes),
    done: count(worker.done),
    failed: worker.failed ? count(worker.failed) : "0",
    version: worker.version,
    connected: worker.connected_at,
    bar: [["leased", worker.slots ? Math.min(1, worker.busy / worker.slots) : 0]],
  };
}
