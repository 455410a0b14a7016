// One worker: what its slots run, and its last hour.

import { get, send } from "../api.js";
import { actOn, say } from "../ask.js";
import { TimeChart } from "../chart.js";
import { fill, reveal, setText, setTime, sync } from "../dom.js";
import { figure } from "../figures.js";
import { count, duration, moment, short, size, things } from "../format.js";
import { follow } from "../live.js";
import { workerFields } from "../rows.js";

const AGAIN_MS = 5000;

export function start() {
  reveal();
  const root = document.getElementById("worker");
  const { worker, name } = root.dataset;
  const chart = (id, options) => new TimeChart(document.getElementById(id), options);
  const busy = chart("chart-busy", {
    title: "Slots busy",
    whole: true,
    write: count,
    series: [
      { key: "busy", name: "busy", kind: "area", stacked: true },
      { key: "slots", name: "there", kind: "edge" },
    ],
  });
  const cpu = chart("chart-cpu", {
    title: "CPU cores busy",
    write: (value) => value.toFixed(1),
    mark: short,
    series: [{ key: "cores", name: "cores busy", kind: "area", look: "cpu" }],
  });
  const memory = chart("chart-memory", {
    title: "Memory",
    write: size,
    mark: (value) => size(value).replace(".0 ", " "),
    series: [{ key: "rss_bytes", name: "memory", kind: "area", look: "memory" }],
  });
  const known = new Set();
  const drain = document.getElementById("drain");
  const heard = document.getElementById("fact-heard");
  let heardAt = null;

  const show = ({ status, running, points }) => {
    fill(root, workerFields(status));
    const fields = workerFields(status);
    figure("slots", fields.slots);
    figure("cpu", fields.cpu);
    figure("memory", fields.memory);
    figure("leased", count(status.leased));
    figure("done", fields.done);
    figure("failed", fields.failed, undefined, status.failed ? "bad" : "");
    if (drain) drain.disabled = status.draining;
    heardAt = Date.now() / 1000 - status.heard_seconds;
    setText(heard, `${duration(status.heard_seconds)} ago`);
    const step = points.length > 1 ? points[1].at - points[0].at : 10;
    busy.update(points.map((point) => ({ ...point, slots: status.slots })), step);
    cpu.update(points.map((point) => ({ ...point, cores: point.cpu_percent / 100 })), step);
    memory.update(points, step);
    showSlots(known, status, running);
  };

  drain?.addEventListener("click", () =>
    actOn(
      drain,
      {
        title: `Drain worker ${name}?`,
        text: "It takes no new tasks, finishes those that it runs, and exits. Whatever starts workers may start it again.",
        verb: "Drain",
      },
      async () => {
        const status = await send("POST", `workers/${encodeURIComponent(worker)}/drain`);
        return `Worker ${name} drains: it finishes ${things(status.busy, "running task")} and exits.`;
      },
    ),
  );
  const stream = follow(() => ({ topic: "worker", worker }), {
    worker: show,
    problem({ status, detail }) {
      if (status !== 404) {
        say(detail || "The worker cannot be seen.", true);
        return;
      }
      stream.end();
      showGone(name);
      if (drain) drain.disabled = true;
      fill(root.querySelector(".heading .badge").parentElement, { status: "gone", state: "gone" });
      setText(heard, heardAt === null ? "–" : moment(heardAt));
      // Ages would count on: what is left are moments.
      for (const time of root.querySelectorAll('time[data-style="age"]')) {
        time.dataset.style = "moment";
        setTime(time, Number(time.dataset.at));
      }
      waitFor(worker);
    },
  });
}

const LEFT = "This worker has gone. What is shown is the last that was heard of it.";
const LOST = "Nothing is heard of this worker any more, and what it ran goes to others. What is shown is the last that was heard of it.";
const EVENTS = 200;

/** Say that it has gone: that is no reason for alarm, unless it went without a word. */
async function showGone(name) {
  document.getElementById("slots-panel").hidden = true;
  figure("slots", "–");
  figure("leased", "–");
  const page = await get("events", { last: EVENTS }).catch(() => ({ events: [] }));
  const end = page.events.findLast((event) => event.worker === name && ["worker-left", "worker-silent"].includes(event.kind));
  const lost = end?.kind === "worker-silent";
  const words = document.getElementById("gone");
  words.classList.toggle("bad", lost);
  setText(words, lost ? LOST : LEFT);
  words.hidden = false;
}

/** Load the page anew as soon as a worker that has gone is there again: it may have been cut off. */
function waitFor(worker) {
  setTimeout(async () => {
    const found = document.hidden ? null : await get(`workers/${encodeURIComponent(worker)}`).catch(() => null);
    if (found) location.reload();
    else waitFor(worker);
  }, AGAIN_MS);
}

const MOST_SLOTS = 256;

/**
 * The slots to show: those that run something, and those that did since the page was opened, as far
 * as they can still be there; a slot that was replaced has another number.
 */
export function listSlots(known, slots, running) {
  const bySlot = new Map(running.map((task) => [task.slot, task]));
  for (const number of bySlot.keys()) known.add(number);
  for (const number of [...known].sort((a, b) => a - b)) {
    if (known.size > slots && !bySlot.has(number)) known.delete(number);
  }
  const listed = [...known].sort((a, b) => a - b).map((number) => ({ name: `Slot ${number}`, task: bySlot.get(number) }));
  while (listed.length < Math.min(slots, MOST_SLOTS)) listed.push({ name: "Slot", place: listed.length });
  return listed.slice(0, MOST_SLOTS);
}

function showSlots(known, status, running) {
  const listed = listSlots(known, status.slots, running);
  // What is over by the next heartbeat is not told one by one.
  let short = Math.max(0, status.busy - running.length);
  sync(document.getElementById("running"), listed, document.getElementById("slot"), (slot) => slot.place ?? slot.name, (element, { name, task }) => {
    const isShort = !task && short > 0;
    if (isShort) short -= 1;
    element.dataset.state = task || isShort ? "busy" : "idle";
    const about = task ? [`job ${task.job.slice(0, 12)}`, `for ${duration(task.seconds)}`] : [];
    const more = task ? [task.rss_bytes ? size(task.rss_bytes) : "", task.attempt > 1 ? `attempt ${task.attempt}` : ""].filter(Boolean) : [];
    fill(element, {
      name,
      task: task ? `task ${count(task.index)}` : "",
      href: task ? `/jobs/${encodeURIComponent(task.job)}` : null,
      idle: task ? "" : isShort ? "busy with short tasks" : "idle",
      about: about.join(" · "),
      more: more.join(" · "),
    });
  });
}
