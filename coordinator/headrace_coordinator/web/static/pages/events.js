// The events, the newest first, as they come.

import { fill, reveal, setText, showNone, sync } from "../dom.js";
import { eventFields, join, past } from "../events.js";
import { count, things } from "../format.js";
import { follow } from "../live.js";

const MOST = 5000;
const READ = 1000;
const SHOWN = 200;

export function start() {
  reveal();
  const list = document.getElementById("events");
  const form = document.getElementById("filters");
  const more = document.getElementById("more");
  let events = [];

  const show = () => {
    const text = document.getElementById("text").value.trim().toLowerCase();
    const about = [...form.querySelectorAll("[name=about]:checked")].map((box) => box.value);
    const shown = events.filter(
      (event) =>
        (!about.length || about.includes(event.kind.split("-")[0])) &&
        [event.job, event.worker, event.kind, event.text].some((word) => word.toLowerCase().includes(text)),
    );
    const first = shown.slice(0, SHOWN);
    setText(more, shown.length > first.length ? `The newest ${count(first.length)} of ${count(shown.length)}: a search finds the others.` : "");
    sync(list, first, document.getElementById("event-row"), (event) => event.number, (row, event) => fill(row, eventFields(event)));
    showNone("events-none", shown);
  };
  const take = (page) => {
    events = join(events, page, MOST);
    const missed = document.getElementById("missed");
    if (page.missed) {
      missed.hidden = false;
      setText(missed, `${things(page.missed, "event")} before these are no longer kept.`);
    }
    show();
  };
  form.addEventListener("input", show);
  form.addEventListener("submit", (event) => event.preventDefault());
  follow(() => ({ topic: "events", ...past(events, READ) }), { events: take });
}
