// The workers: searched and ordered in the browser, as there are hundreds at most.

import { fill, reveal, setText, showNone, sync } from "../dom.js";
import { things } from "../format.js";
import { follow } from "../live.js";
import { workerFields, workerState } from "../rows.js";

export function start() {
  reveal();
  const form = document.getElementById("filters");
  let workers = null;

  const show = () => {
    if (!workers) return;
    const text = document.getElementById("text").value.trim().toLowerCase();
    const states = [...form.querySelectorAll("[name=states]:checked")].map((box) => box.value);
    const order = document.getElementById("order").value;
    const chosen = workers.filter(
      (worker) =>
        (!states.length || states.includes(workerState(worker))) &&
        [worker.name, worker.host, worker.version, worker.id].some((word) => word.toLowerCase().includes(text)),
    );
    const byName = (a, b) => a.name.localeCompare(b.name, "en", { numeric: true }) || a.id.localeCompare(b.id);
    chosen.sort(order === "name" ? byName : (a, b) => (b[order] ?? 0) - (a[order] ?? 0) || byName(a, b));
    const rows = document.getElementById("workers");
    sync(rows, chosen, document.getElementById("worker-row"), (worker) => worker.id, (row, worker) => fill(row, workerFields(worker)));
    showNone("workers-none", chosen);
    setText(document.getElementById("workers-none"), workers.length ? "No worker is like that." : "No worker is connected.");
    const slots = workers.reduce((sum, worker) => sum + worker.slots, 0);
    setText(document.getElementById("counted"), `${things(workers.length, "worker")}, ${things(slots, "slot")}`);
  };
  form.addEventListener("input", show);
  form.addEventListener("submit", (event) => event.preventDefault());
  follow(() => ({ topic: "workers" }), {
    workers(found) {
      workers = found;
      show();
    },
  });
}
