// One job: its progress, its tasks as a picture, how long they took, failures, log, results.

import { showActions, startActions } from "../actions.js";
import { get } from "../api.js";
import { say } from "../ask.js";
import { fill, reveal, setText, sync } from "../dom.js";
import { Failures } from "../failures.js";
import { amount, clean, count, duration, moment, size, tasks } from "../format.js";
import { Histogram, within } from "../histogram.js";
import { atMost, follow } from "../live.js";
import { Log } from "../log.js";
import { Results } from "../results.js";
import { FINAL, jobFields } from "../rows.js";
import { TaskMap } from "../taskmap.js";

const RUNS = 20000;

/** Milliseconds between two looks at a part of the tasks, and at what failed. */
const PART_MS = 2000;
const FAILED_MS = 1500;
const RUNNING = 50;

export function start() {
  reveal();
  const root = document.getElementById("job");
  const id = root.dataset.job;
  const path = `jobs/${encodeURIComponent(id)}`;
  const mayAct = document.getElementById("actions") !== null;
  const log = new Log(Number(root.dataset.logCursor));
  const results = new Results(path, document.documentElement.dataset.role !== "observer");
  let job = null;
  let last = "";
  let failed = -1;

  const map = new TaskMap(document.getElementById("map"), {
    load: (start, stop) => get(`${path}/task_runs`, { start, stop: stop ?? job.tasks, limit: RUNS }),
    open: (index, state) => failures.show(index, state),
  });
  document.getElementById("map").addEventListener("drawn", () => {
    setText(document.getElementById("map-about"), map.about);
    // Of a job that has expired not all is known any more.
    const kept = !job?.expired || map.runs > 0;
    document.getElementById("map").hidden = !kept;
    document.getElementById("map-about").hidden = !kept;
    document.getElementById("map-none").hidden = kept;
  });
  const times = new Histogram(document.getElementById("times"));

  const failures = new Failures(id, mayAct, () => loadFailures());
  const loadPart = atMost(PART_MS, () => map.update().catch(() => {}));
  const loadFailures = atMost(FAILED_MS, () => failures.update(job).catch(() => {}));

  if (mayAct) startActions(id, () => job, () => {
    failed = -1;
    last = "";
  });
  document.getElementById("copy").addEventListener("click", async () => {
    await navigator.clipboard.writeText(id);
    say("The id is copied.");
  });

  const stream = follow(() => ({ topic: ["job", "tasks", "times", "logs"], job: id, cursor: log.cursor }), {
    job({ status, progress, running }) {
      job = status;
      const fields = jobFields(job);
      fill(root, fields);
      showProgress(job, fields);
      showFacts(job);
      showCounters(job);
      results.update(job);
      if (mayAct) showActions(job);
      showRunning(running ?? [], progress ?? []);
      const counts = [job.tasks, job.done, job.failed, job.leased, job.retrying, job.cancelled, job.state].join();
      if (counts !== last && (job.done + job.failed || failed)) loadFailures();
      last = counts;
      failed = job.failed;
      document.title = clean(`${FINAL.has(job.state) ? job.state : fields.percent || job.state} · ${fields.name} · headrace`);
    },
    tasks(found) {
      if (!map.take(found)) loadPart();
    },
    times({ times: found, slowest }) {
      showTimes(found, times);
      showSlowest(slowest);
    },
    logs: (page) => log.take(page),
    problem({ topic, detail, status }) {
      if (topic !== "job") return;
      if (status === 404) showGone(root, () => stream.end());
      else say(detail || "The job cannot be seen.", true);
    },
  });
}

/** The job is no longer there: what is shown stays, and nothing can be done to it. */
function showGone(root, end) {
  end();
  document.getElementById("gone").hidden = false;
  document.getElementById("running-panel").hidden = true;
  fill(root.querySelector(".heading .badge"), { state: "deleted" });
  for (const button of root.querySelectorAll("#actions button, [data-replay]")) button.disabled = true;
  document.getElementById("task-replay").disabled = true;
  document.title = `deleted · ${root.querySelector("h1").textContent} · headrace`;
}

function showProgress(job, fields) {
  for (const [state, number] of Object.entries({ done: job.done, dead: job.failed, retrying: job.retrying, leased: job.leased, waiting: job.waiting, cancelled: job.cancelled })) {
    setText(document.querySelector(`[data-count="${state}"] b`), count(number));
  }
  setText(document.getElementById("tasks"), count(job.tasks));
  setText(document.getElementById("speed"), [fields.percent, fields.rate, fields.time].filter(Boolean).join(" · "));
}

function showFacts(job) {
  const set = (key, text) => setText(document.getElementById(`fact-${key}`), text || "–");
  set("started", job.started_at ? moment(job.started_at) : "");
  set("finished", job.finished_at ? moment(job.finished_at) : "");
  set("wall", job.wall_seconds ? duration(job.wall_seconds) : "");
  set("cpu", duration(job.cpu_seconds));
  set("busy", duration(job.busy_seconds));
  set("in", size(job.bytes_in));
  set("out", size(job.bytes_out));
  set("kept", job.results_kept ? "kept" : "not kept");
}

function showCounters(job) {
  const names = Object.keys(job.counters).sort();
  document.getElementById("counters-panel").hidden = !names.length;
  sync(document.getElementById("counters"), names, document.getElementById("counter-row"), (name) => name, (row, name) => {
    fill(row, { name, value: amount(job.counters[name]) });
  });
}

function showRunning(running, progress) {
  const told = new Map(progress.map((one) => [one.index, one]));
  const known = new Set(running.map((task) => task.index));
  const rows = [...running, ...progress.filter((one) => !known.has(one.index))].sort((a, b) => a.index - b.index).slice(0, RUNNING);
  document.getElementById("running-panel").hidden = !rows.length;
  setText(document.getElementById("running-about"), rows.length < RUNNING ? "" : `the first ${RUNNING}`);
  sync(document.getElementById("running"), rows, document.getElementById("running-row"), (task) => task.index, (row, task) => {
    const one = told.get(task.index);
    fill(row, {
      index: count(task.index),
      progress: one ? (one.of ? `${count(one.done)} of ${count(one.of)}` : count(one.done)) : "",
      known: Boolean(one?.of),
      bar: [["leased", one?.of ? Math.min(1, one.done / one.of) : 0]],
      worker: task.worker,
      href: `/workers/${encodeURIComponent(task.worker)}`,
      slot: task.slot === undefined ? "" : String(task.slot),
      for: task.seconds === undefined ? "" : duration(task.seconds),
      memory: task.rss_bytes ? size(task.rss_bytes) : "",
      attempt: task.attempt === undefined ? "" : String(task.attempt),
    });
  });
}

function showTimes(times, histogram) {
  const total = times.counts.reduce((sum, number) => sum + number, 0);
  document.getElementById("times-panel").hidden = !total;
  if (!total) return;
  const words = (share) => duration(within(times, share));
  setText(document.getElementById("times-about"), `half within ${words(0.5)}, 95 % within ${words(0.95)}`);
  histogram.update(times);
}

function showSlowest(found) {
  document.getElementById("slowest-panel").hidden = !found.length;
  sync(document.getElementById("slowest"), found, document.getElementById("slowest-row"), (one) => one.start, (row, one) => {
    const many = one.stop - one.start;
    fill(row, { tasks: tasks(one.start, one.stop), worker: one.worker, attempt: one.attempt ? String(one.attempt) : "", each: duration(one.busy_seconds / many), cpu: duration(one.cpu_seconds / many) });
  });
}
