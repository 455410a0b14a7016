// What can be done to a job: each asks once, and says what came of it.

import { send } from "./api.js";
import { actOn, keep } from "./ask.js";
import { count, things } from "./format.js";
import { FINAL } from "./rows.js";

/** The job as an action has left it, in a sentence. */
export function describe(job) {
  const parts = [`${count(job.done)} of ${things(job.tasks, "task")} done`];
  if (job.failed) parts.push(`${count(job.failed)} failed`);
  if (job.cancelled) parts.push(`${count(job.cancelled)} cancelled`);
  return `The job is ${job.state}: ${parts.join(", ")}.`;
}

/** Wire the buttons of a job's page. `find()` returns its status, `changed()` is called after each. */
export function startActions(id, find, changed) {
  const path = `jobs/${encodeURIComponent(id)}`;
  const on = (name, question, act) => {
    const button = document.getElementById(name);
    button?.addEventListener("click", () =>
      actOn(button, question(find()), async () => {
        const said = await act(find());
        changed();
        return said;
      }),
    );
  };
  on(
    "cancel",
    (job) => ({
      title: "Cancel this job?",
      text: `Its running tasks are stopped (${count(job.leased)} leased now). What is done stays done, and Retry runs the rest.`,
      verb: "Cancel the job",
      danger: true,
    }),
    async () => describe(await send("POST", `${path}/cancel`)),
  );
  on(
    "retry",
    (job) => ({
      title: "Retry this job?",
      text: `Its ${things(job.failed + job.cancelled, "failed or cancelled task")} ${job.failed + job.cancelled === 1 ? "is" : "are"} run again. What is done stays done.`,
      verb: "Retry",
    }),
    async () => describe(await send("POST", `${path}/retry`)),
  );
  on(
    "replay",
    (job) => ({
      title: `Replay ${things(job.failed, "failed task")}?`,
      text: "Each is run again with fresh attempts, also while others of the job still run.",
      verb: "Replay",
    }),
    async () => describe(await send("POST", `${path}/replay`, {})),
  );
  on(
    "delete",
    (job) => ({
      title: "Delete this job?",
      text: `${FINAL.has(job.state) ? "" : "It is cancelled first. "}Its inputs, results, failures and log are gone for good.`,
      verb: "Delete",
      danger: true,
    }),
    async () => {
      await send("DELETE", path);
      keep(`Job ${id} is deleted.`);
      location.assign("/jobs");
      return "";
    },
  );
}

/** Which of the buttons can be pressed now. */
export function showActions(job) {
  document.getElementById("actions").hidden = false;
  const final = FINAL.has(job.state);
  const can = {
    cancel: !final,
    retry: final && job.failed + job.cancelled > 0 && !job.expired,
    replay: job.failed > 0 && !job.expired,
    delete: true,
  };
  for (const [name, shown] of Object.entries(can)) {
    const button = document.getElementById(name);
    if (button) button.hidden = !shown;
  }
}

/** Ask, and run one failed task again. */
export function replayOne(button, id, index, changed) {
  return actOn(
    button,
    { title: `Replay task ${count(index)}?`, text: "It is run again with fresh attempts.", verb: "Replay" },
    async () => {
      const job = await send("POST", `jobs/${encodeURIComponent(id)}/replay`, { indices: [index] });
      changed();
      return `Task ${count(index)} is run again. ${describe(job)}`;
    },
  );
}
