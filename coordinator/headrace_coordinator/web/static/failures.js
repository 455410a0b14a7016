// What failed in a job and why: grouped by what is alike, and one by one.

import { get } from "./api.js";
import { replayOne } from "./actions.js";
import { fill, setText, sync } from "./dom.js";
import { count, duration, tasks, things } from "./format.js";
import { word } from "./taskmap.js";

const PAGE = 50;

/** Characters that may be more than the lines that are shown of them. */
const LONG = 120;

/** What happened to a task, in one line. */
export function failureWords(failure) {
  const said = describeError(failure).split(/\s+/).filter(Boolean).join(" ");
  if (failure.reason === "error") return said;
  const cause = failure.signal ? `${failure.reason} (${failure.signal})` : failure.reason;
  return said ? `${cause}: ${said}` : cause;
}

/** What went wrong, as headrace_wire.failures.describe_error says it. */
function describeError({ reason, error_type: kind, message }) {
  if (reason !== "error" || !kind || kind.startsWith("headrace.") || kind.startsWith("headrace_")) return message;
  const said = message === "" || message === kind ? kind : `${kind}: ${message}`;
  return kind === "SystemExit" ? `${said} (the function called sys.exit)` : said;
}

export function groupFields(group) {
  const where = group.count === 1 ? tasks(group.first, group.first + 1) : `first task ${count(group.first)}, last ${count(group.last)}`;
  const workers = group.workers.length ? ` · on ${group.workers.slice(0, 4).join(", ")}${group.workers.length > 4 ? ` and ${group.workers.length - 4} more` : ""}` : "";
  const what = failureWords(group);
  // A long text is cut short in the line: the whole of it is beneath.
  const whole = group.traceback || (what.length > LONG ? what : "");
  return { times: things(group.count, "task"), what, where: where + workers, traceback: whole };
}

export function groupKey(group) {
  return [group.reason, group.error_type, group.message].join("\n");
}

export class Failures {
  #id;
  #mayAct;
  #changed;
  #rows = [];
  #next = 0;
  #dialog = document.getElementById("task");

  constructor(id, mayAct, changed) {
    this.#id = id;
    this.#mayAct = mayAct;
    this.#changed = changed;
    document.getElementById("failed-tasks").addEventListener("toggle", (event) => event.target.open && this.#load(true));
    document.getElementById("failed-more").addEventListener("click", () => this.#load(false));
    document.getElementById("task-close").addEventListener("click", () => this.#dialog.close());
  }

  /** Read them again. */
  async update(job) {
    const panel = document.getElementById("failures-panel");
    panel.hidden = !job.failed;
    if (!job.failed) return;
    const found = await get(`jobs/${encodeURIComponent(this.#id)}/failure_groups`);
    const groups = document.getElementById("groups");
    const fresh = !groups.children.length;
    sync(groups, found.groups, document.getElementById("group"), groupKey, (element, group) => fill(element, groupFields(group)));
    if (fresh && groups.firstElementChild) groups.firstElementChild.open = true;
    const here = found.groups.length;
    let about = `${things(job.failed, "task")} failed, ${things(Math.max(found.kinds, here), "kind")} of failure`;
    if (found.looked_at < job.failed) about += ` among the first ${count(found.looked_at)}`;
    if (found.kinds > here) about += `, of which the ${count(here)} most frequent are here`;
    setText(document.getElementById("failures-about"), about);
    if (document.getElementById("failed-tasks").open) await this.#load(true);
  }

  async #load(anew) {
    if (anew) this.#next = 0;
    const limit = anew ? Math.max(PAGE, this.#rows.length) : PAGE;
    const found = await get(`jobs/${encodeURIComponent(this.#id)}/failures`, { start: this.#next, limit });
    this.#rows = anew ? found : [...this.#rows, ...found];
    this.#next = this.#rows.length ? this.#rows.at(-1).index + 1 : 0;
    document.getElementById("failed-more").hidden = found.length < limit;
    sync(document.getElementById("failed-rows"), this.#rows, document.getElementById("failed-row"), (failure) => failure.index, (row, failure) => {
      fill(row, {
        index: count(failure.index),
        what: (failure.summary ? `${failure.summary}: ` : "") + failureWords(failure),
        worker: failure.worker,
        attempt: String(failure.attempt),
        took: duration(failure.busy_seconds),
      });
      const show = row.querySelector("[data-show]");
      show.hidden = !failure.traceback;
      show.onclick = () => this.#tell(failure);
      const replay = row.querySelector("[data-replay]");
      replay.hidden = !this.#mayAct;
      replay.onclick = () => replayOne(replay, this.#id, failure.index, this.#changed);
    });
  }

  /** Show what happened to one task. */
  async show(index, state) {
    if (state === "dead") {
      const [failure] = await get(`jobs/${encodeURIComponent(this.#id)}/failures`, { start: index, limit: 1 });
      if (failure?.index === index) {
        this.#tell(failure);
        return;
      }
    }
    this.#open(index, `It is ${word(state)}.`, "", false);
  }

  #tell(failure) {
    const where = `attempt ${failure.attempt}${failure.worker ? ` on ${failure.worker}` : ""}, after ${duration(failure.busy_seconds)}`;
    this.#open(failure.index, `${failure.summary ? `${failure.summary}: ` : ""}${failureWords(failure)} (${where})`, failure.traceback, true);
  }

  #open(index, text, traceback, failed) {
    setText(document.getElementById("task-title"), `Task ${count(index)}`);
    setText(document.getElementById("task-text"), text);
    const trace = document.getElementById("task-trace");
    trace.hidden = !traceback;
    setText(trace, traceback);
    const replay = document.getElementById("task-replay");
    replay.hidden = !failed || !this.#mayAct;
    replay.onclick = () => {
      this.#dialog.close();
      replayOne(replay, this.#id, index, this.#changed);
    };
    this.#dialog.showModal();
  }
}
