// The overview: figures, the last hour, the jobs that run and that ended, workers, events.

import { TimeChart } from "../chart.js";
import { fill, reveal, setText, showNone, sync } from "../dom.js";
import { condense, eventFields, join, past } from "../events.js";
import { figure, overviewFigures } from "../figures.js";
import { count, rate, short } from "../format.js";
import { follow } from "../live.js";
import { jobFields, workerFields, workerState } from "../rows.js";

const ACTIVE = 20;
const WORKERS = 12;
const EVENTS = 20;
const EVENTS_KEPT = 200;

const STATES = ["silent", "draining", "busy", "idle"];

export function start() {
  reveal();
  const charts = [
    new TimeChart(byId("chart-slots"), {
      title: "Slots",
      whole: true,
      write: count,
      mark: short,
      series: [
        { key: "busy", name: "busy", kind: "area", stacked: true },
        { key: "slots", name: "there", kind: "edge" },
      ],
    }),
    new TimeChart(byId("chart-queue"), {
      title: "Tasks in the queue",
      whole: true,
      write: count,
      mark: short,
      series: ["leased", "retrying", "waiting"].map((key) => ({ key, name: key, kind: "area", stacked: true })),
    }),
    new TimeChart(byId("chart-rate"), {
      title: "Tasks ended a second",
      write: (value) => rate(value) || "0",
      mark: short,
      series: [
        { key: "failed", name: "failed", kind: "area", stacked: true },
        { key: "done", name: "done", kind: "area", stacked: true },
      ],
    }),
  ];
  let events = [];
  const template = byId("job-row");
  const showJobs = (id, jobs) => {
    sync(byId(id), jobs, template, (job) => job.id, (row, job) => fill(row, jobFields(job)));
    showNone(`${id}-none`, jobs);
  };

  follow(
    () => ({ topic: ["overview", "timeline", "jobs", "ended", "workers", "events"], states: ["running", "queued"], limit: ACTIVE, ...past(events, EVENTS_KEPT) }),
    {
      overview(over) {
        for (const [id, values] of Object.entries(overviewFigures(over))) figure(id, ...values);
        byId("problem").hidden = !over.problem;
        setText(byId("problem"), over.problem);
        byId("held").hidden = !over.held;
        setText(byId("held").querySelector("span"), over.held);
        const active = (over.jobs.running ?? 0) + (over.jobs.queued ?? 0);
        setText(byId("active-count"), active ? `${count(over.jobs.running ?? 0)} running, ${count(over.jobs.queued ?? 0)} queued` : "");
      },
      timeline({ points, step_seconds: step }) {
        const rates = points.map((point) => ({ ...point, done: point.done / step, failed: point.failed / step }));
        charts.forEach((chart, index) => chart.update(index === 2 ? rates : points, step));
      },
      jobs: (jobs) => showJobs("active", jobs),
      ended: (jobs) => showJobs("ended", jobs),
      workers(workers) {
        const order = (worker) => STATES.indexOf(workerState(worker));
        const shown = [...workers].sort((a, b) => order(a) - order(b) || a.name.localeCompare(b.name)).slice(0, WORKERS);
        sync(byId("worker-rows"), shown, byId("worker-row"), (worker) => worker.id, (row, worker) => fill(row, workerFields(worker)));
        showNone("worker-rows-none", shown);
        setText(byId("workers-more"), workers.length > shown.length ? `${count(shown.length)} of ${count(workers.length)}` : "");
      },
      events(page) {
        events = join(events, page, EVENTS_KEPT);
        sync(byId("events"), condense(events, EVENTS), byId("event-row"), (event) => event.number, (row, event) => fill(row, eventFields(event)));
        showNone("events-none", events);
      },
    },
  );
}

function byId(id) {
  return document.getElementById(id);
}
