// The list of jobs: its rows move on, and a choice is shown at once.

import { get } from "../api.js";
import { fill, setText, showNone, sync } from "../dom.js";
import { count } from "../format.js";
import { atMost, follow } from "../live.js";
import { jobFields } from "../rows.js";

const FOCUSED = "headrace-focused";

export function start() {
  const form = document.getElementById("filters");
  const asked = Object.fromEntries(new URLSearchParams(document.getElementById("asked").dataset.asked));
  const states = new URLSearchParams(document.getElementById("asked").dataset.asked).getAll("states");
  const parameters = { ...asked, states };
  const counted = document.getElementById("counted");
  const first = Number(counted.dataset.first);
  let total = Number(counted.dataset.total);
  let shown = document.getElementById("jobs").children.length;

  const tell = () => {
    const last = first + shown - 1;
    setText(counted, total ? `${count(first)} to ${count(last)} of ${count(total)}` : "None");
  };
  const recount = atMost(5000, async () => {
    const { before, limit, ...chosen } = parameters;
    const found = await get("count_jobs", chosen).catch(() => null);
    if (found === null) return;
    total = found;
    tell();
  });
  follow(() => ({ topic: "jobs", ...parameters }), {
    jobs(jobs) {
      const rows = document.getElementById("jobs");
      sync(rows, jobs, document.getElementById("job-row"), (job) => job.id, (row, job) => fill(row, jobFields(job)));
      showNone("jobs-none", jobs);
      shown = jobs.length;
      recount();
      if (total) tell();
    },
  });

  // What is typed is looked for when it is whole: with Enter, or by the button.
  form.addEventListener("change", (event) => {
    if (event.target.matches("select, [type=checkbox]")) form.requestSubmit();
  });
  form.addEventListener("submit", (event) => {
    // Addresses stay short: what is not chosen is not in them.
    event.preventDefault();
    const chosen = new URLSearchParams([...new FormData(form)].filter(([, value]) => value !== ""));
    const place = [...form.elements].indexOf(document.activeElement);
    if (place >= 0) sessionStorage.setItem(FOCUSED, place);
    location.assign(chosen.size ? `/jobs?${chosen}` : "/jobs");
  });
  // Whoever uses the keyboard goes on where they were.
  const focused = sessionStorage.getItem(FOCUSED);
  sessionStorage.removeItem(FOCUSED);
  const field = focused === null ? null : form.elements[Number(focused)];
  field?.focus();
  if (field?.type === "search") field.setSelectionRange(field.value.length, field.value.length);
}
