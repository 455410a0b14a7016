// What changes while one looks: one stream of server-sent events for each page.

import { get, logIn, write } from "./api.js";
import { setText } from "./dom.js";

const AGAIN_MS = 2000;
const WORDS = {
  live: ["live", "What is shown is brought up to date as it changes."],
  over: ["ended", "What is shown is no longer there: nothing more comes."],
  away: ["reconnecting", "The coordinator cannot be reached: what is shown is how it was."],
  paused: ["paused", "Nothing is asked for while the page is hidden."],
};

/**
 * Keep a stream open while the page can be seen. `parameters()` returns what to ask for, each time
 * that it is opened; `handlers` has a function for each topic, and may have `problem`.
 */
export function follow(parameters, handlers) {
  const sign = document.getElementById("live");
  let source = null;
  let timer = 0;
  let over = false;

  const show = (state) => {
    if (!sign) return;
    sign.hidden = false;
    sign.dataset.state = state;
    sign.title = WORDS[state][1];
    setText(sign, WORDS[state][0]);
  };
  const close = () => {
    clearTimeout(timer);
    source?.close();
    source = null;
  };
  const open = () => {
    close();
    source = new EventSource(`/api/v1/stream${write(parameters())}`);
    source.addEventListener("open", () => show("live"));
    source.addEventListener("error", () => {
      // With a new address each time: what has been seen is not sent again.
      close();
      show("away");
      timer = setTimeout(async () => {
        await get("info").catch(() => null); // whoever is logged out goes to log in
        if (!over) open();
      }, AGAIN_MS);
    });
    source.addEventListener("bye", () => {
      close();
      logIn();
    });
    for (const [topic, handle] of Object.entries(handlers)) {
      source.addEventListener(topic, (event) => handle(JSON.parse(event.data)));
    }
  };
  const look = () => {
    if (over) return;
    if (document.hidden) {
      close();
      show("paused");
    } else if (!source) open();
  };
  document.addEventListener("visibilitychange", look);
  addEventListener("pagehide", close);
  addEventListener("pageshow", (event) => event.persisted && !over && open());
  look();
  /** No more is asked for. */
  const end = () => {
    over = true;
    close();
    show("over");
  };
  return { again: open, end };
}

/** Call something at most once in so many milliseconds, the last time for certain. */
export function atMost(milliseconds, act) {
  let last = -Infinity;
  let timer = 0;
  return () => {
    clearTimeout(timer);
    const wait = last + milliseconds - performance.now();
    const go = () => {
      last = performance.now();
      act();
    };
    if (wait <= 0) go();
    else timer = setTimeout(go, wait);
  };
}
